package boards

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"xtls-agent/internal/guest"
	"xtls-agent/internal/guest/hand"
)

// The machine's clock jumps by a year, forward and back: sessions stay, a window is as long as it was to be, a call that is repeated
// does not run again, and who watches hears on.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	m := guest.ARM64()
	m.Name = "arm64, clock"
	b := newBoard(t, guest.Config{Machine: m, Modules: []string{"evdev"}})
	const year = 365 * 24 * time.Hour
	agent := b.agent(configuration("socket:/run/agent/button", guest.Relay) + "[pairing]\nwindow = \"1m\"\n")
	pin := b.waitPIN(b.shown)
	b.setClock(year)
	b.wantWindow(pin)
	b.pair(pin, "box")

	watch := b.start(hand.Command{Argv: []string{"/bin/xtlsctl", "watch", "box"}})
	b.hears(watch, "lamp: off")
	for _, ahead := range []time.Duration{-year, 0} {
		b.setClock(ahead)
		id := fmt.Sprintf("--id=%v", ahead)
		b.run("/bin/xtlsctl", "call", "box", "lamp", "state=on", id)
		b.hears(watch, "lamp: on")
		b.run("/bin/xtlsctl", "call", "box", "lamp", "state=off")
		b.hears(watch, "lamp: off")
		b.setClock(ahead + year)
		b.run("/bin/xtlsctl", "call", "box", "lamp", "state=on", id)
		b.wantLine(guest.Relay, "xtls-agent", "out lo")
	}

	b.run("/bin/xtls-agent", "pairing", "open", "--config", "/run/config.toml")
	opened := time.Now()
	pin = b.waitPIN(b.shown)
	for _, ahead := range []time.Duration{2 * year, -year} {
		b.setClock(ahead)
		b.wantWindow(pin)
	}
	b.untilClosed(opened)
	b.end(agent)
}

// setClock sets the clock of the guest so far ahead of ours.
func (b *board) setClock(ahead time.Duration) {
	b.Helper()
	if err := b.guest.SetClock(b.ctx, time.Now().Add(ahead)); err != nil {
		b.Fatal(err)
	}
	b.step("the clock is at %s", time.Now().Add(ahead).Format(time.DateOnly))
}

var openFor = regexp.MustCompile(`Pairing: open for (\S+)`)

// wantWindow looks that the window is open which shows this PIN, and not for longer than a minute.
func (b *board) wantWindow(pin string) {
	b.Helper()
	time.Sleep(time.Second) // a timer that goes wrong has its chance
	said := b.run("/bin/xtls-agent", "status", "--config", "/run/config.toml")
	m := openFor.FindStringSubmatch(said)
	if m == nil {
		b.Fatalf("no window is open:\n%s", said)
	}
	if left, err := time.ParseDuration(m[1]); err != nil || left <= 0 || left > time.Minute {
		b.Errorf("it is open for %s", m[1])
	}
	if now := b.waitPIN(b.shown); now != pin {
		b.Error("another PIN is shown than before")
	}
}

// untilClosed waits for the end of a window of a minute.
func (b *board) untilClosed(opened time.Time) {
	b.Helper()
	const longest = 90 * time.Second
	for strings.Contains(b.run("/bin/xtls-agent", "status", "--config", "/run/config.toml"), "Pairing: open") {
		if time.Since(opened) > longest {
			b.Fatalf("the window is open after %v", longest)
		}
		time.Sleep(time.Second)
	}
	if d := time.Since(opened); d < 55*time.Second || d > longest {
		b.Errorf("the window was open for %v", d)
	}
	b.step("the window is closed")
}

// hears waits for a line that a program prints last.
func (b *board) hears(p *guest.Program, line string) {
	b.Helper()
	said, err := p.Until(b.ctx, func(said string) bool { return strings.HasSuffix(said, line+"\n") })
	if err != nil {
		b.Fatalf("it does not say %q: %v\n%s", line, err, said)
	}
}
