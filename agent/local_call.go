package agent

import (
	"context"
	"net"
	"sync"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/control"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/adhoc"
	"xtls-agent/xmpp/form"
	"xtls-agent/xmpp/stream"
)

// socketName is the local socket in the run folder. Who may use it owns the machine: root, the
// agent's own user, and the group xtls-agent.
const socketName = "control.sock"

// What the two sides of the local socket are called.
var localDevice, localUser = jid.MustParse("device@localhost"), jid.MustParse("user@localhost")

// Result is what a command returned; Values fill a command's form.
type (
	Result = control.Result
	Values = form.Values
)

// CallLocal runs a command of the device whose local socket is at path, and fills its form
// with values.
func CallLocal(ctx context.Context, path, command string, values Values) (Result, error) {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		return Result{}, err
	}
	link, err := stream.Client(ctx, conn, stream.Config{Local: localUser, Remote: localDevice, HeaderTimeout: 5 * time.Second})
	if err != nil {
		_ = conn.Close()
		return Result{}, err
	}
	s := xmpp.NewSession(link, nil)
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(ctx) })
	defer serving.Wait()
	defer s.Close()
	res, err := adhoc.Execute(ctx, s, localDevice, command, func(*form.Form) (form.Values, error) {
		if values == nil {
			values = form.Values{}
		}
		return values, nil
	})
	if err != nil {
		return Result{}, err
	}
	return control.ParseResult(res), nil
}
