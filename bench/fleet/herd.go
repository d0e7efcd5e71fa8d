package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/agent"
	"xtls-agent/bench/screen"
	"xtls-agent/control"
	"xtls-agent/control/journal"
	"xtls-agent/hw/display"
	"xtls-agent/trust"
)

// herd is the agents of the fleet.
type herd struct {
	site    *site
	tally   *tally
	devices []*device
	spread  time.Duration
	running sync.WaitGroup
}

// device is one agent: the real one, with its memory in RAM.
type device struct {
	name   string
	jid    jid.JID
	screen *screen.Screen // nil: it has no display
	runs   runs
}

// deviceConfig is a device that is reached through its server alone, which it finds as the world does: by SRV records.
const deviceConfig = `
name = %q
display = [%q]
run_dir = %q
[pairing]
window = "15m"
[xmpp]
jid = %q
password_file = %q
ca_file = %q
spread = %q
[lan]
enabled = false
`

// startHerd starts agents, so many a second, of which the first have a display. They end with the test or row.
func startHerd(t testing.TB, s *site, p plan, watch *tally) *herd {
	h := &herd{site: s, tally: watch, spread: p.spread}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); h.running.Wait() })
	tick := time.NewTicker(time.Second / time.Duration(p.rate))
	defer tick.Stop()
	for i := range p.agents {
		d := &device{name: userName(i), jid: jid.MustParse(userName(i) + "@" + domain)}
		if i < p.sample {
			d.screen = screen.New()
		}
		h.devices = append(h.devices, d)
		box, err := h.agent(d, i)
		if err != nil {
			t.Fatal(err)
		}
		h.running.Go(func() {
			if err := box.Run(ctx); err != nil {
				watch.fault(fmt.Errorf("%s: %w", d.name, err))
			}
		})
		p.progress("%d of %d switched on, %d connected", i+1, p.agents, watch.connected())
		<-tick.C
	}
	return h
}

func userName(i int) string { return fmt.Sprintf("box%04d", i) }

// agent makes a device's agent.
func (h *herd) agent(d *device, i int) (*agent.Agent, error) {
	env := agent.Env{
		Log:   slog.New(&witness{h.tally, i}),
		Calls: agent.CallLog{Store: journal.Nowhere{}, Whole: true}, // a new device, whose memory is in RAM
	}
	spec := "none:"
	if d.screen != nil {
		spec = "term:"
		env.Display = display.Env{Stdout: d.screen, IsTerminal: func() bool { return true }}
		env.Commands = []control.Command{d.runs.command()}
	}
	dir := filepath.Join(h.site.dir, d.name)
	cfg, err := agent.ParseConfig(fmt.Appendf(nil, deviceConfig, d.name, spec, dir, d.jid, h.site.passwordFile, h.site.caFile, h.spread))
	if err != nil {
		return nil, err
	}
	return agent.New(cfg, trust.NewMemStore(), env), nil
}
