package hardware

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"time"

	"xtls-agent/bench/row"
	"xtls-agent/internal/guest"
	"xtls-agent/internal/guest/hand"
)

// build is a build of the program with the configuration that it is measured by, beneath the folders of a turn.
type build struct {
	name, tags, program string
	config              string
}

// The builds. The display that a Pi Zero of QEMU can have is a picture; a terminal shows the PIN of both.
var (
	packaged = build{name: "packaged", program: "/bin/xtls-agent", config: `
display = ["png:/run/pin.png", "term:"]
button = ["gpio:GPIO17"]
[[command]]
name = "lamp"
output = "gpio:GPIO27"
`}
	plain = build{name: "minimal, term:", tags: "minimal", program: "/bin/xtls-agent-minimal", config: "display = [\"term:\"]\n"}
)

// binary compares the sizes of the programs for ARMv6, static and stripped.
func binary() row.Row {
	return row.Row{
		Name: "hardware/binary", What: "ARMv6 program, with all drivers beside one without", Pairs: 1,
		Figures: []row.Figure{{Unit: "MB", Aim: row.AtMost(1.3)}},
		Setup: func(t *row.T) (row.Side, row.Side) {
			side := func(b build) row.Side {
				return row.Side{Name: b.name, Measure: func() row.Sample {
					size := float64(len(built(t, b))) / 1e6
					return row.Sample{Values: []float64{size}, Work: row.Work{Count: 1, What: "ARMv6"}}
				}}
			}
			return side(packaged), side(plain)
		},
	}
}

func built(t *row.T, b build) []byte {
	program, err := guest.PiZero().Build(t.Context(), "xtls-agent/cmd/xtls-agent", b.tags)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// piZero measures both builds on a Raspberry Pi Zero that QEMU plays, with a kernel of its own: from exec to READY, and the resident memory,
// unpaired and paired.
func piZero() row.Row {
	return row.Row{
		Name: "hardware/pizero", What: "on an emulated Pi Zero, with a button, a picture and a lamp beside a terminal only", Pairs: 3,
		Figures: []row.Figure{
			{Name: "exec to READY", Unit: "ms", Aim: row.AtMost(2)},
			{Name: "memory, idle", Unit: "MB", Aim: row.AtMost(1.3)},
			{Name: "memory, paired", Unit: "MB", Aim: row.AtMost(1.3)},
		},
		Setup: func(t *row.T) (row.Side, row.Side) {
			z := startZero(t)
			return row.Side{Name: "packaged", Measure: func() row.Sample { return z.measure(packaged) }},
				row.Side{Name: plain.name, Measure: func() row.Sample { return z.measure(plain) }}
		},
	}
}

// zero is a Pi Zero with both builds and an owner's program.
type zero struct {
	t     *row.T
	guest *guest.Guest
	ctx   context.Context
	turns int
}

func startZero(t *row.T) *zero {
	m := guest.PiZero()
	ctl, err := m.Build(t.Context(), "xtls-agent/cmd/xtlsctl", "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	g, err := guest.Start(ctx, guest.Config{Machine: m, Files: guest.Files{
		packaged.program: built(t, packaged), plain.program: built(t, plain), "/bin/xtlsctl": ctl,
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return &zero{t: t, guest: g, ctx: ctx}
}

// settles is how long a device does nothing before its memory is looked at.
const settles = 3 * time.Second

// measure starts a build that is new to the world, pairs with it and ends it.
func (z *zero) measure(b build) row.Sample {
	z.turns++
	folder := fmt.Sprintf("/run/turn%d", z.turns)
	config := folder + "/config.toml"
	z.must(z.guest.WriteFile(z.ctx, config, fmt.Appendf(nil, "name = \"box\"\nstate_dir = \"%s/state\"\nrun_dir = \"%s/run\"\n%s", folder, folder, b.config), 0o600))
	env := []string{"PATH=/bin", "HOME=" + folder, "XTLSCTL_DIR=" + folder + "/owner"}
	p, err := z.guest.Start(z.ctx, hand.Command{Argv: []string{b.program, "run", "--config", config}, Env: env, Terminal: true, Notify: true})
	z.must(err)
	ready, err := p.Ready(z.ctx)
	z.must(err)
	idle := z.resident(p)
	z.pair(p, env)
	paired := z.resident(p)
	z.must(p.Signal(z.ctx, int(syscall.SIGTERM)))
	if exit, err := p.Wait(z.ctx); err != nil || exit.Code != 0 {
		z.t.Fatalf("%s: %s, %v\n%s", b.name, exit.How, err, exit.Output)
	}
	return row.Sample{Values: []float64{row.Milliseconds(ready), idle, paired}, Work: row.Work{Count: 1, What: "started, paired, ended"}}
}

func (z *zero) must(err error) {
	if err != nil {
		z.t.Fatal(err)
	}
}

// resident is the memory of a program, in MB, when it has done nothing for a while.
func (z *zero) resident(p *guest.Program) float64 {
	time.Sleep(settles)
	n, err := p.Resident(z.ctx)
	z.must(err)
	return float64(n) / 1e6
}

var shownPIN = regexp.MustCompile(`\b(\d{4}) (\d{4})\b`)

// pair pairs on the LAN, with the PIN that the terminal shows.
func (z *zero) pair(p *guest.Program, env []string) {
	said, err := p.Until(z.ctx, shownPIN.MatchString)
	z.must(err)
	pin := strings.Join(shownPIN.FindStringSubmatch(said)[1:], "") + "\n"
	exit, err := z.guest.Run(z.ctx, hand.Command{Argv: []string{"/bin/xtlsctl", "pair", "lan:127.0.0.1", "--pin-stdin"}, Env: env, Input: pin})
	z.must(err)
	if exit.Code != 0 {
		z.t.Fatalf("pairing: %s\n%s", exit.How, exit.Output)
	}
}
