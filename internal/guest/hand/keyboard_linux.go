package hand

import (
	"errors"
	"fmt"
	"time"

	"github.com/holoplot/go-evdev"
)

// Plug plugs a keyboard in, by the kernel's uinput.
func (h *Hand) Plug(k Keyboard, _ *struct{}) error {
	codes := make([]evdev.EvCode, len(k.Keys))
	for i, key := range k.Keys {
		codes[i] = evdev.EvCode(key)
	}
	dev, err := evdev.CreateDevice(k.Name, evdev.InputID{BusType: evdev.BUS_VIRTUAL}, map[evdev.EvType][]evdev.EvCode{evdev.EV_KEY: codes})
	if err != nil {
		return fmt.Errorf("plugging %s in: %w", k.Name, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.keyboards[k.Name] = dev
	return nil
}

// Tap presses a key and lets it go.
func (h *Hand) Tap(t Tap, _ *struct{}) error {
	dev, err := h.keyboard(t.Keyboard)
	if err != nil {
		return err
	}
	for value := int32(1); value >= 0; value-- {
		for _, e := range []evdev.InputEvent{{Type: evdev.EV_KEY, Code: evdev.EvCode(t.Key), Value: value}, {Type: evdev.EV_SYN}} {
			if err := dev.WriteOne(&e); err != nil {
				return err
			}
		}
		time.Sleep(40 * time.Millisecond) // as fast as fingers are
	}
	return nil
}

// Unplug takes a keyboard away.
func (h *Hand) Unplug(name string, _ *struct{}) error {
	dev, err := h.keyboard(name)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.keyboards, name)
	return errors.Join(evdev.DestroyDevice(dev), dev.Close())
}

func (h *Hand) keyboard(name string) (*evdev.InputDevice, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	dev, ok := h.keyboards[name]
	if !ok {
		return nil, fmt.Errorf("there is no keyboard %q", name)
	}
	return dev, nil
}
