//go:build guest && !minimal

package button

import (
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holoplot/go-evdev"
)

// A device of the kernel's own, plugged in, used and unplugged through uinput.
func TestEvdevOfTheKernel(t *testing.T) {
	if _, err := os.Stat("/dev/uinput"); err != nil {
		t.Fatal("this kernel has no uinput: ", err)
	}
	const name = "xtls-agent test"
	b, err := Open("evdev:?name="+name+"&key=KEY_POWER&digits=on", Env{Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	keys := b.(Keys)
	for range 2 { // the second time it was plugged in again
		codes := []evdev.EvCode{evdev.KEY_POWER, evdev.KEY_OK}
		for code := evdev.EvCode(evdev.KEY_1); code <= evdev.KEY_0; code++ {
			codes = append(codes, code)
		}
		dev, err := evdev.CreateDevice(name, evdev.InputID{BusType: evdev.BUS_VIRTUAL}, map[evdev.EvType][]evdev.EvCode{evdev.EV_KEY: codes})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * searchEvery)
		others := eavesdrop(t, name)
		hit := func(code evdev.EvCode) {
			for value := int32(1); value >= 0; value-- {
				for _, e := range []evdev.InputEvent{{Type: evdev.EV_KEY, Code: code, Value: value}, {Type: evdev.EV_SYN}} {
					if err := dev.WriteOne(&e); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(50 * time.Millisecond)
			}
		}
		hit(evdev.KEY_POWER)
		select {
		case e := <-b.Events():
			if e != Press {
				t.Errorf("%v", e)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("no press")
		}
		if n := others(); n != 2 {
			t.Errorf("another program has heard %d times of a press, want 2", n)
		}
		keys.Typing(true)
		time.Sleep(100 * time.Millisecond)
		hit(evdev.KEY_7)
		hit(evdev.KEY_OK)
		for _, want := range []Key{'7', OK} {
			select {
			case k := <-keys.Typed():
				if k != want {
					t.Errorf("typed %v, want %v", k, want)
				}
			case <-time.After(5 * time.Second):
				t.Fatal("nothing was typed")
			}
		}
		if n := others(); n != 2 {
			t.Errorf("another program has heard %d times of the PIN", n-2)
		}
		keys.Typing(false)
		time.Sleep(100 * time.Millisecond)
		hit(evdev.KEY_7)
		if n := others(); n != 4 {
			t.Errorf("another program has heard %d times of a key that is not typed for us, want 2", n-2)
		}
		if err := evdev.DestroyDevice(dev); err != nil {
			t.Error(err)
		}
		dev.Close()
		time.Sleep(2 * searchEvery)
	}
	start := time.Now()
	if err := b.Close(); err != nil || time.Since(start) > time.Second {
		t.Errorf("Close = %v after %v", err, time.Since(start))
	}
}

// eavesdrop is another program that reads a device until it is gone. It tells how often it has heard of a key.
func eavesdrop(t *testing.T, name string) (heard func() int64) {
	t.Helper()
	dev, err := evdev.OpenByNameWithFlags(name, os.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer dev.Close()
		for e, err := dev.ReadOne(); err == nil; e, err = dev.ReadOne() {
			if e.Type == evdev.EV_KEY {
				n.Add(1)
			}
		}
	}()
	t.Cleanup(func() { <-done })
	return n.Load
}
