//go:build !minimal

package button_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"xtls-agent/hw/button"
	"xtls-agent/hw/button/buttontest"
)

// Codes of the kernel's.
const (
	keyBackspace = 14
	keyPower     = 116
	keyOK        = 0x160
)

// settleIn waits until new devices have been found.
func settleIn() { time.Sleep(1100 * time.Millisecond) }

func wantLog(t *testing.T, log *bytes.Buffer, want ...string) {
	t.Helper()
	synctest.Wait()
	var got []string
	if text := strings.TrimSpace(log.String()); text != "" {
		got = strings.Split(text, "\n")
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || !strings.Contains(got[i], want[i]) {
			t.Fatalf("log %q, want %q", got, want)
		}
	}
}

func TestEvdev(t *testing.T) {
	inRoom(t, "evdev:?name=IR*&key=KEY_POWER", func(t *testing.T, r *room, b button.Keys, log *bytes.Buffer) {
		wantLog(t, log, `no input device is there with the name \"IR*\" and the key KEY_POWER: waiting for it`)
		ir, other, mouse := r.plug("/dev/input/event0", remote("IR receiver")), r.plug("/dev/input/event1", remote("keyboard")), remote("IR mouse")
		mouse.keys = []uint16{0x110}
		r.plug("/dev/input/event2", mouse)
		settleIn()
		if ir.opens() != 1 || other.opens() != 0 || mouse.opens() != 0 {
			t.Errorf("open %d, %d, %d times", ir.opens(), other.opens(), mouse.opens())
		}
		ir.hit(keyPower, time.Second)
		ir.hit(keyOK, 4*time.Second) // another key
		wantEvents(t, b, button.Press)
		ir.hit(keyPower, 3100*time.Millisecond)
		wantEvents(t, b, button.Held, button.HoldUnlock)
		ir.hit(keyPower, time.Minute)
		wantEvents(t, b, button.Held, button.HoldWipe)
		second := r.plug("/dev/input/event3", remote("IR second"))
		settleIn()
		ir.hit(keyPower, time.Second)
		second.hit(keyPower, time.Second)
		wantEvents(t, b, button.Press, button.Press)
		if got := typed(b); got != "" {
			t.Errorf("typed %q", got)
		}
		wantLog(t, log, "waiting for it") // and no more: nothing below a warning
	})
}

func TestEvdevByPath(t *testing.T) {
	inRoom(t, "evdev:/dev/input/event7?key=KEY_OK", func(t *testing.T, r *room, b button.Keys, log *bytes.Buffer) {
		wantLog(t, log, "no input device is at /dev/input/event7 and the key KEY_OK")
		other, meant := r.plug("/dev/input/event1", remote("a")), r.plug("/dev/input/event7", remote("b"))
		settleIn()
		if other.opens() != 0 {
			t.Error("another path is open")
		}
		meant.hit(keyOK, time.Second)
		wantEvents(t, b, button.Press)
	})
}

// Whoever pulls the plug while he holds the button wipes nothing, neither then nor when it is back.
func TestEvdevUnpluggedWhileHeld(t *testing.T) {
	inRoom(t, "evdev:?name=*&key=KEY_OK", func(t *testing.T, r *room, b button.Keys, log *bytes.Buffer) {
		g := r.plug("/dev/input/event0", remote("remote"))
		settleIn()
		g.move(keyOK, true)
		time.Sleep(5 * time.Second)
		r.unplug("/dev/input/event0")
		time.Sleep(time.Minute)
		wantEvents(t, b, button.Held, button.HoldCancelled)

		// It is back, in the same place, with the key still down.
		again := r.plug("/dev/input/event0", remote("remote"))
		again.set(keyOK, true)
		time.Sleep(time.Minute)
		wantEvents(t, b)
		again.move(keyOK, false)
		again.hit(keyOK, time.Second)
		wantEvents(t, b, button.Press)
		wantLog(t, log, "waiting for it", "waiting for it", "down already")
		if g.opens() != 0 {
			t.Errorf("what was unplugged is open %d times", g.opens())
		}
	})
}

// A release that nobody heard of does not make a hold.
func TestEvdevMissesARelease(t *testing.T) {
	inRoom(t, "evdev:?name=*&key=KEY_OK", func(t *testing.T, r *room, b button.Keys, _ *bytes.Buffer) {
		g := r.plug("/dev/input/event0", remote("remote"))
		settleIn()
		g.move(keyOK, true)
		time.Sleep(5 * time.Second)
		g.set(keyOK, false)
		time.Sleep(time.Minute)
		wantEvents(t, b, button.Held, button.HoldUnlock)
	})
}

// No permission is one line, and a device that udev hands over a moment later is found.
func TestEvdevMayNot(t *testing.T) {
	inRoom(t, "evdev:?name=remote&key=KEY_OK", func(t *testing.T, r *room, b button.Keys, log *bytes.Buffer) {
		g := remote("remote")
		g.deny = errors.New("not allowed: add the user to the group input")
		r.plug("/dev/input/event0", g)
		time.Sleep(time.Minute)
		wantLog(t, log, "waiting for it", "group input")
		g = r.plug("/dev/input/event0", remote("remote"))
		settleIn()
		g.hit(keyOK, time.Second)
		wantEvents(t, b, button.Press)
	})
}

// A device that is not the one is not opened again and again, but another one in its place is.
func TestEvdevLooksOnce(t *testing.T) {
	inRoom(t, "evdev:?name=remote&key=KEY_OK", func(t *testing.T, r *room, b button.Keys, _ *bytes.Buffer) {
		other := r.plug("/dev/input/event0", remote("keyboard"))
		settleIn()
		r.mu.Lock()
		other.deny = errors.New("opened again")
		r.mu.Unlock()
		time.Sleep(time.Minute)
		r.unplug("/dev/input/event0")
		g := r.plug("/dev/input/event0", remote("remote"))
		settleIn()
		g.hit(keyOK, time.Second)
		wantEvents(t, b, button.Press)
	})
}

// Digits go to who asks for a PIN, and are no button meanwhile.
func TestTyping(t *testing.T) {
	inRoom(t, "evdev:?name=remote&key=KEY_OK&digits=on", func(t *testing.T, r *room, b button.Keys, _ *bytes.Buffer) {
		g := r.plug("/dev/input/event0", remote("remote"))
		settleIn()
		tap := func(codes ...uint16) {
			for _, c := range codes {
				g.hit(c, 50*time.Millisecond)
			}
		}
		tap(2, 3, keyOK)
		if got := typed(b); got != "" {
			t.Errorf("typed %q while nobody asked", got)
		}
		wantEvents(t, b, button.Press)

		b.Typing(true)
		tap(2, 3, 4, keyBackspace, 11, keyPower, keyOK)
		if got := typed(b); got != "123\b0\n" {
			t.Errorf("typed %q", got)
		}
		g.hit(keyOK, time.Minute)
		if got := typed(b); got != "\n" {
			t.Errorf("OK, held, typed %q", got)
		}
		wantEvents(t, b)

		b.Typing(false)
		tap(2, keyOK)
		wantEvents(t, b, button.Press)
		if got := typed(b); got != "" {
			t.Errorf("typed %q after that", got)
		}
	})
}

// A key that went down as part of a PIN does not become a button when the PIN is complete.
func TestTypingEndsWhileHeld(t *testing.T) {
	inRoom(t, "evdev:?name=remote&key=KEY_OK&digits=on", func(t *testing.T, r *room, b button.Keys, _ *bytes.Buffer) {
		g := r.plug("/dev/input/event0", remote("remote"))
		settleIn()
		b.Typing(true)
		g.move(keyOK, true)
		synctest.Wait()
		b.Typing(false)
		time.Sleep(time.Minute)
		g.move(keyOK, false)
		wantEvents(t, b)
		if got := typed(b); got != "\n" {
			t.Errorf("typed %q", got)
		}
	})
}

// What is typed for us goes to nobody else, and what is not typed for us is not ours.
func TestTypedKeysAreKeptFromOthers(t *testing.T) {
	inRoom(t, "evdev:?name=remote*&digits=on", func(t *testing.T, r *room, b button.Keys, log *bytes.Buffer) {
		g := r.plug("/dev/input/event0", remote("remote"))
		settleIn()
		if g.isGrabbed() {
			t.Error("grabbed while nobody types")
		}
		b.Typing(true)
		if !g.isGrabbed() {
			t.Error("not grabbed while a PIN is typed")
		}
		b.Typing(true)
		later := r.plug("/dev/input/event1", remote("remote 2"))
		settleIn()
		if !later.isGrabbed() {
			t.Error("a device that is plugged in meanwhile is not grabbed")
		}
		b.Typing(false)
		if g.isGrabbed() || later.isGrabbed() {
			t.Error("grabbed after that")
		}
		wantLog(t, log, "waiting for it")
	})
	inRoom(t, "evdev:?name=remote&key=KEY_OK", func(t *testing.T, r *room, b button.Keys, _ *bytes.Buffer) {
		g := r.plug("/dev/input/event0", remote("remote"))
		settleIn()
		if b.Typing(true); g.isGrabbed() {
			t.Error("a device without digits=on is grabbed")
		}
	})
}

// A remote control whose plug is pulled in the middle of a PIN loses no digit, repeats none, and goes on when it is back.
func TestUnpluggedMidDigit(t *testing.T) {
	inRoom(t, "evdev:?name=remote&digits=on", func(t *testing.T, r *room, b button.Keys, log *bytes.Buffer) {
		g := r.plug("/dev/input/event0", remote("remote"))
		settleIn()
		b.Typing(true)
		g.hit(2, 50*time.Millisecond)
		g.move(3, true)
		r.unplug("/dev/input/event0")
		time.Sleep(10 * time.Second)
		if got := typed(b); got != "12" {
			t.Errorf("typed %q", got)
		}
		g = r.plug("/dev/input/event0", remote("remote"))
		settleIn()
		g.hit(4, 50*time.Millisecond)
		if got := typed(b); got != "3" {
			t.Errorf("typed %q", got)
		}
		wantEvents(t, b)
		wantLog(t, log, "and digits: waiting for it", "and digits: waiting for it")
	})
}

// Somebody who leans on the digits does not fill memory, nor block Close.
func TestTypedIsBounded(t *testing.T) {
	inRoom(t, "evdev:?name=remote&digits=on", func(t *testing.T, r *room, b button.Keys, _ *bytes.Buffer) {
		g := r.plug("/dev/input/event0", remote("remote"))
		settleIn()
		b.Typing(true)
		for range 100 {
			g.hit(2, time.Millisecond)
		}
		if n := len(typed(b)); n < 16 || n > 32 {
			t.Errorf("%d keys waited", n)
		}
	})
}

func TestEvdevRefuses(t *testing.T) {
	for spec, want := range map[string]string{
		"evdev:":                                "evdev: says no device",
		"evdev:?key=KEY_OK":                     "evdev: says no device",
		"evdev:?name=a":                         "evdev: says no key",
		"evdev:?name=a&key=OK":                  "key=OK is no key of the kernel's",
		"evdev:?name=a&key=KEY_OK&digits=yes":   "digits=yes is not one of off, on",
		"evdev:?name=a&key=KEY_OK&grab=on":      `unknown parameter "grab": it takes name, key, digits`,
		"evdev:/dev/input/event0?digits=on&x=y": `unknown parameter "x"`,
	} {
		if err := button.Check(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check(%q) = %v, want an error with %q", spec, err, want)
		}
	}
}

// A digit of a PIN must not reach a log.
func TestKeyHidesItsDigit(t *testing.T) {
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("key", "k", button.Key('7'))
	for _, k := range []any{button.Key('7'), []button.Key{'7'}, struct{ K button.Key }{'7'}} {
		fmt.Fprintf(&log, "%v %d %s %q %#v %x %c", k, k, k, k, k, k, k)
	}
	if _, text, _ := strings.Cut(log.String(), "msg="); strings.Contains(text, "7") || strings.Contains(text, "55") || strings.Contains(text, "37") || !strings.Contains(text, "digit") {
		t.Errorf("%s", text)
	}
	if got := fmt.Sprint(button.Backspace, button.OK, button.Key(0)); got != "backspace OK " {
		t.Errorf("%q", got)
	}
}

// What several buttons are as one has their keys.
func TestJoinedKeys(t *testing.T) {
	plain := button.Join(buttontest.New())
	if _, ok := plain.(button.Keys); ok {
		t.Error("a button without digits has them when it is joined")
	}
	if err := plain.Close(); err != nil {
		t.Error(err)
	}
	synctest.Test(t, func(t *testing.T) {
		a, c := buttontest.NewKeys(), buttontest.NewKeys()
		b, ok := button.Join(a, buttontest.New(), c).(button.Keys)
		if !ok {
			t.Fatal("no digits")
		}
		if n := a.Type("12"); n != 0 {
			t.Errorf("%d keys were taken while nobody asked", n)
		}
		b.Typing(true)
		a.Type("12")
		synctest.Wait()
		c.Type("\b\n")
		if got := typed(b); got != "12\b\n" {
			t.Errorf("typed %q", got)
		}
		a.Press()
		wantEvents(t, b, button.Press)
		if err := b.Close(); err != nil || !a.Closed() || !c.Closed() {
			t.Errorf("Close = %v", err)
		}
		if _, ok := <-b.Typed(); ok {
			t.Error("Typed is open after Close")
		}
	})
}
