package agent

import (
	"context"
	"fmt"

	"mellium.im/xmpp/jid"

	"xtls-agent/hw/button"
	"xtls-agent/hw/display"
	"xtls-agent/pairing"
)

// panel is what a person at the device sees and presses. It outlives wipes.
type panel struct {
	name    string
	screens *display.Multi
	buttons button.Button
	log     func(spec string, err error)
}

// openPanel opens what the configuration names, and clears what an earlier process may have
// left on a display.
func openPanel(cfg *Config, env Env) (*panel, error) {
	p := &panel{name: cfg.Name.String()}
	report := func(spec string, err error) {
		if err != nil {
			env.Log.Warn("display fails, and is tried again", "display", spec, "err", err)
		} else {
			env.Log.Info("display works again", "display", spec)
		}
	}
	var err error
	if p.screens, err = display.OpenAll(texts(cfg.Display), env.Display, report); err != nil {
		return nil, err
	}
	if p.buttons, err = button.OpenAll(texts(cfg.Button), env.Button); err != nil {
		_ = p.screens.Close()
		return nil, err
	}
	if err := p.show(display.Screen{Lines: []string{"Starting …"}}); err != nil {
		env.Log.Warn("no display works", "err", err)
	}
	return p, nil
}

func texts[T word](list []Checked[T]) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = s.String()
	}
	return out
}

func (p *panel) show(s display.Screen) error {
	s.Title = p.name
	return p.screens.Show(s)
}

// close clears the displays: no PIN outlives its window.
func (p *panel) close() {
	_ = p.buttons.Close()
	_ = p.screens.Close()
}

// notice shows what the policy of pairing says. address is where the device is reached now.
func (p *panel) notice(n pairing.Notice, address jid.JID, code string) error {
	s := display.Screen{Address: address.Bare().String()}
	if text := n.Text(); text != "" {
		s.Lines = append(s.Lines, text)
	}
	if n.Kind == pairing.NoticePaired && code != "" {
		s.Lines = append(s.Lines, fmt.Sprintf("Both show %s %s.", code[:3], code[3:]))
	}
	if !n.PIN.IsZero() {
		s.PIN = n.PIN.Digits()
		if uri, err := pairing.FormatURI(s.Address, n.PIN); err == nil {
			s.URI = uri
		}
	}
	return p.show(s)
}

// watchButtons turns what a person does into what it means, until ctx ends.
func (l *life) watchButtons(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, ok := <-l.panel.buttons.Events():
			if !ok {
				<-ctx.Done()
				return ctx.Err()
			}
			if err := l.pressed(e); err != nil {
				return err
			}
		}
	}
}

// pressed acts on one event. Its error ends the life.
func (l *life) pressed(e button.Event) error {
	l.log.Info("button", "event", e.String())
	switch e {
	case button.Press:
		if err := l.keeper.Open(pairing.Opening{By: pairing.ByButton}); err != nil {
			l.log.Warn("no pairing window", "err", err)
		}
	case button.HoldUnlock:
		return l.unlock()
	case button.HoldWipe:
		return l.wipe()
	}
	return nil
}
