package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"xtls-agent/hw/button"
	"xtls-agent/hw/display"
	"xtls-agent/pairing"
)

// panel is the device's hardware: what a person sees and presses, and what is switched. It outlives wipes.
type panel struct {
	name    string
	screens *display.Multi
	buttons button.Button
	keys    button.Keys // the same, if a PIN can be typed there; else nil
	outlets outlets
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
	p.keys, _ = p.buttons.(button.Keys)
	if p.outlets, err = openOutlets(cfg.Commands, env.Output); err != nil {
		return nil, errors.Join(err, p.buttons.Close(), p.screens.Close())
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

// show shows a screen under the device's name. With nothing to say, nothing is shown.
func (p *panel) show(s display.Screen) error {
	if len(s.Lines) > 0 || s.PIN != "" {
		s.Title = p.name
	} else {
		s = display.Screen{}
	}
	return p.screens.Show(s)
}

// typing says whether a PIN may be typed now: the keys are no buttons then, and go to no other program.
func (p *panel) typing(on bool) {
	if p.keys != nil {
		p.keys.Typing(on)
	}
}

// typed is what is typed; nil, which nothing ever comes from, if there are no keys.
func (p *panel) typed() <-chan button.Key {
	if p.keys == nil {
		return nil
	}
	return p.keys.Typed()
}

// close clears the displays: no PIN outlives its window. Outputs go to their safe value.
func (p *panel) close() {
	p.typing(false)
	_ = p.outlets.close()
	_ = p.buttons.Close()
	_ = p.screens.Close()
}

// sign is what stands on the displays.
type sign struct {
	notice  pairing.Notice // what the policy of pairing says
	code    string         // the six digits of the pairing that was confirmed last
	trouble string         // what keeps the device offline, or ""
	hold    countdown      // of somebody who holds a button down
}

// screen lays the sign out. address is where the device is reached now.
func (g sign) screen(address string) display.Screen {
	s := display.Screen{Address: address}
	if s.Lines = g.hold.lines(); s.Lines != nil {
		return s // no PIN: nobody shall type it into a device that forgets everything
	}
	if text := g.notice.Text(); text != "" {
		s.Lines = append(s.Lines, text)
	}
	if g.notice.Kind == pairing.NoticePaired && g.code != "" {
		s.Lines = append(s.Lines, fmt.Sprintf("Both show %s %s.", g.code[:3], g.code[3:]))
	}
	if g.trouble != "" {
		s.Lines = append(s.Lines, g.trouble)
	}
	if !g.notice.PIN.IsZero() {
		s.PIN = g.notice.PIN.Digits()
		if uri, err := pairing.FormatURI(address, g.notice.PIN); err == nil {
			s.URI = uri
		}
	}
	if typed := g.notice.Typed.Digits(); typed != "" {
		s.PIN = typed // an echo: no URI leads here with it
	}
	s.Echo = g.notice.Kind == pairing.NoticeTyping || g.notice.Kind == pairing.NoticeFull
	return s
}

// watchButtons turns what a person does into what it means, until ctx ends.
func (l *life) watchButtons(ctx context.Context) error {
	typed := l.panel.typed()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	second.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-second.C:
			if c := l.countDown(countdown.tick); c.state == silent {
				second.Stop()
			}
		case e, ok := <-l.panel.buttons.Events():
			if !ok {
				<-ctx.Done()
				return ctx.Err()
			}
			second.Stop()
			if c := l.countDown(func(c countdown) countdown { return c.after(e) }); c.state != silent {
				second.Reset(time.Second)
			}
			if err := l.pressed(e); err != nil {
				return err
			}
		case key, ok := <-typed:
			if !ok {
				typed = nil // the buttons are being closed
				continue
			}
			l.typed(key)
		}
	}
}

// typed takes a key of a PIN. It stands in no log.
func (l *life) typed(key button.Key) {
	switch digit, ok := key.Digit(); {
	case ok:
		l.keeper.Digit(digit)
	case key == button.Backspace:
		l.keeper.Backspace()
	case key == button.OK:
		l.keeper.OK()
	}
}

// countDown moves the countdown on, and shows it if it has changed.
func (l *life) countDown(next func(countdown) countdown) countdown {
	l.signMu.Lock()
	before := l.sign.hold
	l.signMu.Unlock()
	after := next(before)
	if after != before {
		l.changeSign(func(s *sign) { s.hold = after })
	}
	return after
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
		why, err := l.unlock()
		_ = l.failed(err)
		return why
	case button.HoldWipe:
		why, err := l.wipe()
		if err != nil {
			l.countDown(func(countdown) countdown { return countdown{} })
		}
		_ = l.failed(err)
		return why
	}
	return nil
}

// failed says on the displays, and in the log, that what a person at the device has asked for was not done. It
// returns err, which may be nil.
func (l *life) failed(err error) error {
	if err != nil {
		l.log.Error("asked at the device", "err", err)
		line, _, _ := strings.Cut(err.Error(), ":")
		l.trouble(strings.ToUpper(line[:1]) + line[1:] + ". See the log.")
	}
	return err
}
