package exec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"xtls-agent/xmpp/form"
)

// Bounds of what goes between an agent and its [Helper]. Output is base64 there.
const (
	maxRequest  = 1 << 20
	maxReply    = 2*maxOutput + 4096
	helperGrace = termGrace + pipeGrace + 5*time.Second // for a reply, once it was told to end the program
)

// request is what an agent says to its helper, as one line of JSON. When it closes its half of the connection the program is ended.
type request struct {
	Command string      `json:"command"`
	Values  form.Values `json:"values"`
	State   bool        `json:"state,omitempty"` // what tells its state is meant
}

// reply is the helper's answer, as one line of JSON.
type reply struct {
	outcome
	Error string `json:",omitempty"` // why the program did not start
}

// NewRunnerApart returns a runner whose programs are no children of this process: a [Helper] at the Unix socket runs each. It is told the
// name of a command and the values of its fields; the program, the user and the limits it reads for itself.
func NewRunnerApart(socket string, log *slog.Logger) *Runner {
	r := NewRunner(log)
	r.finds = exists
	r.run = func(ctx context.Context, j job) (outcome, error) { return askHelper(ctx, socket, j) }
	return r
}

// askHelper has the helper run the program.
func askHelper(ctx context.Context, socket string, j job) (outcome, error) {
	if ctx.Err() != nil {
		return outcome{Killed: true, Exit: -1}, nil
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return outcome{}, fmt.Errorf("its helper cannot be reached (is xtls-agent-exec.socket started?): %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() {
		_ = conn.SetDeadline(time.Now().Add(helperGrace))
		_ = conn.CloseWrite()
	})
	defer stop()
	if err := json.NewEncoder(conn).Encode(request{Command: j.Name, Values: j.values, State: j.probe}); err != nil && ctx.Err() == nil {
		return outcome{}, fmt.Errorf("asking the helper: %w", err)
	}
	var got reply
	if err := json.NewDecoder(io.LimitReader(conn, maxReply)).Decode(&got); err != nil {
		if ctx.Err() != nil {
			return outcome{Killed: true, Exit: -1}, nil
		}
		return outcome{}, fmt.Errorf("its helper gave no answer (journalctl -u 'xtls-agent-exec@*' may tell): %w", err)
	}
	if got.Error != "" {
		return outcome{}, errors.New(got.Error)
	}
	return got.outcome, nil
}
