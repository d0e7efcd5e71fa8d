package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"xtls-agent/control/journal"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/adhoc"
	"xtls-agent/xmpp/disco"
	"xtls-agent/xmpp/form"
)

// The fields of a result.
const (
	FieldOutput  = "output"  // text-multi
	FieldExit    = "exit"    // the exit code of a program, decimal
	FieldState   = "state"   // what the command's thing is: "on"
	FieldMotion  = "motion"  // what it does by itself, "pulsing" or "blinking"; left out if it is still
	FieldUnknown = "unknown" // in the place of state: why it is not known
)

// Registry holds a device's commands and runs them. Close it to end what runs.
type Registry struct {
	log    *slog.Logger
	server *adhoc.Server

	journal *journal.Journal // nil: no call is remembered

	mu       sync.RWMutex // guards commands
	commands []Command
}

// NewRegistry returns a registry without commands. A nil logger means silence; it is told
// who ran what, and never the values.
func NewRegistry(log *slog.Logger) *Registry {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Registry{log: log, server: adhoc.NewServer(adhoc.Config{})}
}

// Add adds commands. It fails on a definition that cannot be offered, and adds none then.
func (r *Registry) Add(commands ...Command) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := slices.Clone(r.commands)
	for _, c := range commands {
		c, err := c.checked()
		if err != nil {
			return fmt.Errorf("control: %w", err)
		}
		if slices.ContainsFunc(list, func(other Command) bool { return other.Name == c.Name }) {
			return fmt.Errorf("control: command %q is defined twice, or built in: choose another name", c.Name)
		}
		list = append(list, c)
	}
	r.commands = list
	return nil
}

// Mount offers the commands on s, to whoever stands at its other end, as actor. They are
// listed in d, which must be that session's own. The function returned takes the offer back, and
// cancels what runs of it: for an owner who was removed. When the session merely ends,
// what runs goes on to its time limit, and the function is not needed; see Revoke.
func (r *Registry) Mount(s *xmpp.Session, d *disco.Registry, actor Actor) (revoke func()) {
	return r.server.MountFor(s, d, r.offer(actor), adhoc.Peer{ID: actor.id(), Memory: r.memoryOf(actor)})
}

// Revoke cancels what still runs for an actor who was removed, whatever session he called it on.
func (r *Registry) Revoke(actor Actor) { r.server.Revoke(actor.id()) }

// offer returns what lists the commands for one session. They are asked for at each request, and change hardly ever.
func (r *Registry) offer(actor Actor) func() []adhoc.Command {
	var offered []adhoc.Command // what Mount calls on one goroutine needs no mutex
	seen := 0
	return func() []adhoc.Command {
		r.mu.RLock()
		defer r.mu.RUnlock()
		for _, c := range r.commands[seen:] { // commands are added, and never taken out
			if c.Offered == nil || c.Offered(actor) {
				offered = append(offered, r.adhoc(c, actor))
			}
		}
		seen = len(r.commands)
		return offered
	}
}

// Close cancels all that runs and waits for it.
func (r *Registry) Close() { r.server.Close() }

// adhoc returns c as actor may run it.
func (r *Registry) adhoc(c Command, actor Actor) adhoc.Command {
	out := adhoc.Command{Node: c.Name, Name: c.Title}
	if len(c.Fields) > 0 {
		out.Form = form.New(c.Title, c.Fields...)
	}
	out.Run = func(ctx context.Context, v form.Values) (adhoc.Result, error) {
		return r.run(ctx, c, Call{Actor: actor, Values: v})
	}
	return out
}

func (r *Registry) run(ctx context.Context, c Command, call Call) (adhoc.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	start := time.Now()
	res, err := c.Run(ctx, call)
	r.log.Info("command", "name", c.Name, "by", call.Actor.String(), "failed", err != nil || res.Failure != "",
		"took", time.Since(start).Round(time.Millisecond))
	if err == nil {
		return render(res), nil
	}
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		err = fmt.Errorf("%s did not end within its time limit of %v", c.Name, c.Timeout)
	}
	return adhoc.Result{}, err
}

// ParseResult turns what arrived at the owner into a result again. Notes that are no failure
// are in Note; a form that is no plain output is in Form.
func ParseResult(r *adhoc.Result) Result {
	var out Result
	var failures, notes []string
	for _, n := range r.Notes {
		if n.Type == adhoc.Error {
			failures = append(failures, cleanLine(n.Text))
		} else {
			notes = append(notes, cleanLine(n.Text))
		}
	}
	if r.Status == adhoc.Canceled {
		failures = append(failures, "it was canceled")
	}
	out.Failure, out.Note = strings.Join(failures, "; "), strings.Join(notes, "; ")
	if r.Failed() && out.Failure == "" {
		out.Failure = "the device gives no reason"
	}
	if r.Form != nil && !isPlain(r.Form) {
		out.Form = r.Form
		return out
	}
	if output := r.Form.Field(FieldOutput); output != nil {
		lines, _ := cleanLines(strings.Join(output.Values, "\n"))
		out.Output = strings.Join(lines, "\n")
	}
	if n, err := strconv.Atoi(r.Form.Value(FieldExit)); err == nil {
		out.Exit = &n
	}
	if r.Form != nil {
		out.State = parseState(r.Form.Fields)
	}
	return out
}

// isPlain reports whether a form has fields of ours alone, and is not one for programs.
func isPlain(f *form.Form) bool {
	for _, field := range f.Fields {
		switch field.Var {
		case FieldOutput, FieldExit, FieldState, FieldMotion, FieldUnknown:
		default:
			return false
		}
	}
	return len(f.Fields) > 0 && len(f.Reported) == 0
}

// render turns a result into what travels.
func render(res Result) adhoc.Result {
	out := adhoc.Result{Form: res.Form}
	lines, cut := cleanLines(res.Output)
	if out.Form == nil && (len(lines) > 0 || res.Exit != nil || res.State != nil) {
		out.Form = form.NewResult("")
		if len(lines) > 0 {
			out.Form.Fields = append(out.Form.Fields, form.Field{Var: FieldOutput, Type: form.TextMulti, Values: lines})
		}
		if res.Exit != nil {
			out.Form.Fields = append(out.Form.Fields, form.Text(FieldExit, strconv.Itoa(*res.Exit)))
		}
		if res.State != nil {
			out.Form.Fields = append(out.Form.Fields, res.State.fields()...)
		}
	}
	if res.Failure != "" {
		out.Notes = append(out.Notes, adhoc.Note{Type: adhoc.Error, Text: cleanLine(res.Failure)})
	}
	if res.Note != "" {
		out.Notes = append(out.Notes, adhoc.Note{Type: adhoc.Warn, Text: cleanLine(res.Note)})
	}
	if cut {
		out.Notes = append(out.Notes, adhoc.Note{Type: adhoc.Warn, Text: "the output is longer than can be sent: this is its beginning"})
	}
	return out
}
