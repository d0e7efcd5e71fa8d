package agent

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"xtls-agent/control"
	"xtls-agent/hw/button"
	"xtls-agent/hw/display"
	"xtls-agent/trust"
	"xtls-agent/xmpp/form"
)

// Simulated is a device without hardware: it listens on loopback, forgets everything when it is stopped,
// shows its display on a writer, and switches a lamp that is a function.
type Simulated struct {
	Addr   string // of the LAN link, "host:port"
	Socket string // its local socket

	stop func()
	keys *io.PipeWriter
}

const simulatedConfig = `
display = ["term:"]
button = ["key:"]
[lan]
listen = "127.0.0.1:0"
mdns = false
`

const simulatedKeypad = `
display = ["term:"]
button = ["key:?digits=on"]
[lan]
listen = "127.0.0.1:0"
mdns = false
[pairing]
mode = "typed"
`

// StartSimulated starts a device. lamp hears "on" and "off".
func StartSimulated(ctx context.Context, name string, screen io.Writer, lamp func(state string)) (*Simulated, error) {
	return simulate(ctx, simulatedConfig, name, screen, lamp)
}

// StartSimulatedKeypad is StartSimulated for a device on which PINs are typed.
func StartSimulatedKeypad(ctx context.Context, name string, screen io.Writer, lamp func(state string)) (*Simulated, error) {
	return simulate(ctx, simulatedKeypad, name, screen, lamp)
}

func simulate(ctx context.Context, config, name string, screen io.Writer, lamp func(state string)) (*Simulated, error) {
	cfg, err := ParseConfig([]byte(config))
	if err != nil {
		return nil, err
	}
	cfg.Name.Word = Name(name)
	if cfg.RunDir, err = os.MkdirTemp("", "xtls-agent-"); err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	keys, pressing := io.Pipe()
	listening, done := make(chan string, 1), make(chan error, 1)
	a := New(cfg, trust.NewMemStore(), Env{
		Display:  display.Env{Stdout: screen, IsTerminal: func() bool { return true }},
		Button:   button.Env{Keys: func() (io.ReadCloser, error) { return keys, nil }},
		Commands: []control.Command{lampCommand(lamp)},
		Listening: func(addr string) {
			select {
			case listening <- addr:
			default: // after a wipe it listens anew
			}
		},
	})
	ctx, cancel := context.WithCancel(ctx)
	go func() { done <- a.Run(ctx) }()
	s := &Simulated{Socket: cfg.Socket(), keys: pressing}
	ended := func() {
		cancel()
		_ = pressing.Close()
		_ = os.RemoveAll(cfg.RunDir)
	}
	s.stop = func() { ended(); <-done }
	select {
	case s.Addr = <-listening:
		return s, nil
	case err := <-done:
		ended()
		return nil, err
	}
}

// Press presses the device's button.
func (s *Simulated) Press() { _, _ = io.WriteString(s.keys, "\n") }

// Type types a PIN on the device, and OK. Nobody asks for one before its display does.
func (s *Simulated) Type(digits string) { _, _ = io.WriteString(s.keys, digits+"\n") }

// Stop switches the device off.
func (s *Simulated) Stop() { s.stop() }

func lampCommand(lamp func(state string)) control.Command {
	var state atomic.Value
	state.Store("off")
	return control.Command{
		Name: "lamp", Title: "Lamp",
		Fields: []form.Field{{
			Var: "state", Type: form.ListSingle, Required: true, Label: "State",
			Options: []form.Option{{Value: "on"}, {Value: "off"}},
		}},
		Run: func(_ context.Context, c control.Call) (control.Result, error) {
			state.Store(c.Values.Get("state"))
			lamp(c.Values.Get("state"))
			return control.Result{Output: "the lamp is " + c.Values.Get("state")}, nil
		},
		State: &control.StateSource{Read: func(context.Context) (control.State, error) {
			return control.State{Word: state.Load().(string)}, nil
		}},
	}
}
