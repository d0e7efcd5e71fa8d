package device

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"xtls-agent/agent"
	"xtls-agent/agent/setup"
	"xtls-agent/agent/trial"
	"xtls-agent/internal/cli"
)

// blinkTime is how long an output blinks.
const blinkTime = 4 * time.Second

// hwTest is one run of hw-test.
type hwTest struct {
	*asker
	env     trial.Env
	show    time.Duration // how long test pictures stand at least
	limit   time.Duration // to press a button
	outputs bool
	result  hwResult
}

// hwResult is what came of it.
type hwResult struct {
	Displays []tried `json:"displays"`
	Buttons  []tried `json:"buttons"`
	Outputs  []tried `json:"outputs"`
	OK       bool    `json:"ok"`
}

// tried is what came of one piece of hardware.
type tried struct {
	Spec    string `json:"spec"`
	OK      bool   `json:"ok"`
	Error   string `json:"error,omitempty"`
	Skipped bool   `json:"skipped,omitempty"`

	// Of a button.
	Event   string `json:"event,omitempty"`
	HeldMS  int64  `json:"held_ms,omitempty"`
	Bounces int    `json:"bounces,omitempty"`
}

func hwTestCommand(std cli.Streams, config *string, asJSON *bool) *cobra.Command {
	var outputs, keys bool
	var limit, show time.Duration
	c := &cobra.Command{
		Use:   "hw-test",
		Short: "Try the displays, buttons and outputs of the configuration",
		Long: `hw-test shows a test picture on each display of the configuration, waits until each button was pressed, and with
--outputs lets each output blink, after asking. What the device has learnt is not touched, nor the network.
The exit code is 1 if something did not work. The device must not run meanwhile: it holds the hardware.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := std.Out
			if *asJSON {
				out = std.Err
			}
			h := &hwTest{asker: newAsker(std, out), show: show, limit: limit, outputs: outputs}
			if keys {
				return h.keys(cmd.Context())
			}
			cfg, err := agent.LoadConfig(*config)
			if err != nil {
				return &cli.UsageError{Err: err}
			}
			if agent.Running(cfg.Socket()) {
				return errRunning
			}
			return h.run(cmd.Context(), cfg, jsonTo(std.Out, *asJSON))
		},
	}
	c.Flags().BoolVar(&outputs, "outputs", false, "let the outputs blink too: what hangs on them is switched")
	c.Flags().BoolVar(&keys, "keys", false, "tell the name and device of each key that is pressed, until Ctrl-C or nobody presses one any more")
	c.Flags().DurationVar(&show, "show", 5*time.Second, "how long the test pictures stand at least; they stay until the buttons are done")
	c.Flags().DurationVar(&limit, "wait", 30*time.Second, "how long to wait for each button")
	return c
}

// errRunning says who has the hardware.
var errRunning = errors.New("the device runs, and holds the hardware: stop it first (systemctl stop xtls-agent)")

// jsonTo encodes to w, or nowhere.
func jsonTo(w io.Writer, asJSON bool) func(any) error {
	if !asJSON {
		return func(any) error { return nil }
	}
	return json.NewEncoder(w).Encode
}

func (h *hwTest) run(ctx context.Context, cfg *agent.Config, report func(any) error) error {
	h.result = hwResult{Displays: []tried{}, Buttons: []tried{}, Outputs: []tried{}} // lists in JSON, though they be empty
	pictures, err := h.displays(ctx, cfg)
	defer func() {
		for _, p := range pictures {
			_ = p.Close()
		}
	}()
	if err == nil {
		err = h.buttons(ctx, cfg)
	}
	if err == nil && h.outputs {
		err = h.blink(ctx, cfg)
	}
	if err != nil {
		return unfinished(err, "not all was tried")
	}
	all, failed := h.count()
	h.result.OK = failed == 0
	if err := report(h.result); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d did not work", failed, all)
	}
	h.printf("hw-test: ok (%d tried)\n", all)
	return nil
}

func (h *hwTest) count() (all, failed int) {
	for _, list := range [][]tried{h.result.Displays, h.result.Buttons, h.result.Outputs} {
		for _, t := range list {
			switch {
			case t.Skipped:
				continue
			case !t.OK:
				failed++
			}
			all++
		}
	}
	return all, failed
}

// say tells about one piece of hardware.
func (h *hwTest) say(kind, spec, format string, args ...any) {
	h.printf("%-8s %s  %s\n", kind, spec, fmt.Sprintf(format, args...))
}

// displays leaves the test picture on each display that works, and gives people time to look at it.
func (h *hwTest) displays(ctx context.Context, cfg *agent.Config) (pictures []*trial.Picture, err error) {
	for _, d := range cfg.Display {
		spec := d.String()
		p, err := h.env.Show(ctx, spec)
		if ctx.Err() != nil {
			return pictures, cli.ErrInterrupted
		}
		if err != nil {
			h.say("display", spec, "failed: %s", inWords(err))
			h.result.Displays = append(h.result.Displays, tried{Spec: spec, Error: inWords(err)})
			continue
		}
		if spec == noDisplay {
			h.say("display", spec, "is none")
		} else {
			h.say("display", spec, "shows the test picture")
		}
		h.result.Displays = append(h.result.Displays, tried{Spec: spec, OK: true})
		pictures = append(pictures, p)
	}
	if len(pictures) == 0 {
		return nil, nil
	}
	select {
	case <-time.After(h.show):
		return pictures, nil
	case <-ctx.Done():
		return pictures, cli.ErrInterrupted
	}
}

func (h *hwTest) buttons(ctx context.Context, cfg *agent.Config) error {
	for _, b := range cfg.Button {
		spec := b.String()
		h.say("button", spec, "press it now, within %v", h.limit)
		waiting, cancel := context.WithTimeout(ctx, h.limit)
		p, err := h.env.AwaitPress(waiting, spec, func(text string) { h.say("button", spec, "%s", text) })
		cancel()
		if ctx.Err() != nil {
			return cli.ErrInterrupted
		}
		if err != nil {
			h.say("button", spec, "failed: %s", inWords(err))
			h.result.Buttons = append(h.result.Buttons, tried{Spec: spec, Error: inWords(err)})
			continue
		}
		h.say("button", spec, "%s", pressInWords(p))
		h.result.Buttons = append(h.result.Buttons, tried{
			Spec: spec, OK: true, Event: p.Event, HeldMS: p.Held.Milliseconds(), Bounces: p.Bounces,
		})
	}
	return nil
}

func pressInWords(p trial.Press) string {
	if p.Event != "" {
		return "seen: " + p.Event
	}
	bounces := "bounces"
	if p.Bounces == 1 {
		bounces = "bounce"
	}
	return fmt.Sprintf("seen, let go after %d ms, %d %s", p.Held.Milliseconds(), p.Bounces, bounces)
}

func (h *hwTest) blink(ctx context.Context, cfg *agent.Config) error {
	seen := map[string]bool{}
	for _, c := range cfg.Commands {
		spec := c.Output.String()
		if spec == "" || seen[spec] {
			continue
		}
		seen[spec] = true
		yes, err := h.yes(ctx, fmt.Sprintf("%-8s %s  let it blink (command %s)? What hangs on it is switched.", "output", spec, c.Name), false)
		if err != nil {
			return err
		}
		result := tried{Spec: spec, Skipped: !yes}
		if yes {
			err = h.env.Blink(ctx, spec, blinkTime)
			result.OK = err == nil
		}
		switch {
		case ctx.Err() != nil:
			return cli.ErrInterrupted
		case err != nil:
			result.Error = inWords(err)
			h.say("output", spec, "failed: %s", result.Error)
		case yes:
			h.say("output", spec, "blinked")
		}
		h.result.Outputs = append(h.result.Outputs, result)
	}
	return nil
}

// keys tells of every key that is pressed, until ctx ends or none was for a while.
func (h *hwTest) keys(ctx context.Context) error {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	idle := time.AfterFunc(h.limit, cancel)
	defer idle.Stop()
	h.printf("Press keys; Ctrl-C ends.\n")
	return setup.WatchKeys(watching, h.env, func(k setup.Key) {
		idle.Reset(h.limit)
		name := k.Name
		if name == "" {
			name = "a key without a name"
		}
		h.printf("%s: %s  %s\n", cli.OneLine(k.Device), name, k.Spec)
	})
}
