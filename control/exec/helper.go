package exec

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"time"

	"xtls-agent/control"
	"xtls-agent/xmpp/form"
)

// Helper runs programs for an agent that may not, or shall not, have them as children ([NewRunnerApart]). The agent may be in the hands of
// somebody else: of it come only the name of a command and values, which are held against the definitions that the helper was given.
type Helper struct {
	programs map[string]program
}

// askWithin is how long an agent may take to say what it wants, and to hear what came of it.
const askWithin = 10 * time.Second

// NewHelper returns a helper for the definitions. Programs whose definition names no user run as user.
func NewHelper(definitions []Definition, user string) (*Helper, error) {
	h := &Helper{programs: make(map[string]program)}
	r := NewRunner(nil)
	for _, d := range definitions {
		d.User = cmp.Or(d.User, user)
		p, err := r.compile(d)
		if err != nil {
			return nil, err
		}
		h.programs[d.Name] = p
	}
	return h, nil
}

// Serve runs the one program that is asked for on conn, answers, and closes conn. The program is ended when ctx ends, when the other side
// closes its half or says anything more, and at its time limit. Only what the agent does wrong is an error.
func (h *Helper) Serve(ctx context.Context, conn net.Conn) error {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(askWithin))
	in := bufio.NewReader(conn)
	j, err := h.accept(in)
	if err != nil {
		return errors.Join(err, answer(conn, reply{Error: err.Error()}))
	}
	_ = conn.SetDeadline(time.Time{})
	// The agent's own limit is the same, and began earlier: this one is for an agent that keeps none.
	ctx, cancel := context.WithTimeout(ctx, j.limit()+time.Second)
	defer cancel()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		_, _ = in.ReadByte()
		cancel()
	}()
	var out reply
	if out.outcome, err = asChild(ctx, j); err != nil {
		out.Error = cause(err).Error()
	}
	_ = conn.SetDeadline(time.Now().Add(askWithin))
	err = answer(conn, out)
	_ = conn.Close() // ends the watch
	<-watched
	return err
}

func answer(conn net.Conn, r reply) error { return json.NewEncoder(conn).Encode(r) }

// accept reads a request, and makes of it what may run.
func (h *Helper) accept(in *bufio.Reader) (job, error) {
	line, err := readLine(in)
	if err != nil {
		return job{}, fmt.Errorf("reading the request: %w", err)
	}
	var req request
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&req); err != nil {
		return job{}, errors.New("the request is not understood: are agent and helper of one version?")
	}
	p, ok := h.programs[req.Command]
	if !ok {
		return job{}, fmt.Errorf("the configuration has no program %.80q: was it changed since the agent started?", req.Command)
	}
	if req.State {
		if p.state == nil {
			return job{}, fmt.Errorf("the command %.80q has no state: was the configuration changed since the agent started?", req.Command)
		}
		return p.telling(), nil
	}
	// What the agent checks is checked again: a list has the configuration's values, a number is within its range.
	values, err := p.form().Validate(submitted(req.Values))
	if err != nil {
		return job{}, err
	}
	argv, err := expand(p.args, values, p.Fields)
	return job{program: p, argv: argv, values: values}, err
}

// readLine reads no more than a request may have.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxRequest:
			return nil, fmt.Errorf("it is longer than %d bytes", maxRequest)
		case !errors.Is(err, bufio.ErrBufferFull):
			return line, err
		}
	}
}

func submitted(v form.Values) *form.Form {
	f := form.NewSubmit("")
	for _, name := range slices.Sorted(maps.Keys(v)) {
		f.Fields = append(f.Fields, form.Field{Var: name, Values: v[name]})
	}
	return f
}

// limit is how long the program may run.
func (j job) limit() time.Duration {
	return min(cmp.Or(j.Timeout, control.DefaultTimeout), control.MaxTimeout)
}
