package testpeer

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

//go:embed ejabberd.yml
var ejabberdConfig string

// Ejabberd starts an ejabberd 24.12 that takes clients with STARTTLS and direct TLS, with all that this module may use of it.
//
// It runs as a single Erlang node without a name, straight from erl: so it needs no epmd, no user of its own and no
// ejabberdctl, and ends with its process. [EjabberdCluster] starts two that are one server.
func Ejabberd(t testing.TB, opts XMPPOptions) *XMPPServer {
	t.Helper()
	if opts.DNS != nil {
		t.Fatal("testpeer: only Prosody federates: Erlang's resolver does not follow a name server on another port to the end")
	}
	return newXMPPServer(t, opts, func(s *XMPPServer, cert *Certificate) backend { return newEjabberd(t, opts, s, cert) })
}

// newEjabberd writes the configuration of one.
func newEjabberd(t testing.TB, opts XMPPOptions, s *XMPPServer, cert *Certificate) *ejabberd {
	t.Helper()
	e := &ejabberd{dir: t.TempDir(), api: loopbackAddr(FreePort(t)), addrs: []string{s.Addr, s.DirectAddr}}
	bundle := filepath.Join(e.dir, "server.pem")
	writeBundle(t, bundle, cert)
	writeConfig(t, filepath.Join(e.dir, "inetrc"), "{lookup,[\"file\",\"native\"]}.\n{host,{127,0,0,1},[\"localhost\"]}.\n", nil)
	writeConfig(t, filepath.Join(e.dir, "ejabberd.yml"), ejabberdConfig, map[string]any{
		"Domain": s.Domain, "StockLimits": opts.StockLimits, "Bundle": bundle, "CAFile": s.CAFile,
		"Port": portOf(t, s.Addr), "DirectPort": portOf(t, s.DirectAddr), "APIPort": portOf(t, e.api),
		"Hibernation": seconds(opts.Hibernation, hibernation), "AckTimeout": seconds(opts.AckTimeout, ackTimeout),
	})
	return e
}

// booting guards the start of an ejabberd.
var booting sync.Mutex

type ejabberd struct {
	dir   string
	api   string
	addrs []string
	node  *erlangNode // its name in a cluster; nil: none
}

func (e *ejabberd) start(t testing.TB) (*Process, error) {
	t.Helper()
	booting.Lock() // one at a time: several keep two cores busy for longer than anybody waits
	defer booting.Unlock()
	process := Start(t, Spec{
		Path: "erl",
		// +S: two schedulers are plenty. -ejabberd quiet would hide what a failed test should log.
		Args: append(e.node.flags(), "+S", "2", "-noshell", "-mnesia", "dir", fmt.Sprintf("%q", filepath.Join(e.dir, "spool")),
			"-s", "ejabberd", "-eval", evaluator),
		Env: []string{
			"HOME=" + e.dir, "EJABBERD_CONFIG_PATH=" + filepath.Join(e.dir, "ejabberd.yml"),
			"EJABBERD_LOG_PATH=" + filepath.Join(e.dir, "ejabberd.log"), "ERL_INETRC=" + filepath.Join(e.dir, "inetrc"),
			"ERL_LIBS=" + erlangLibs(t), "ERL_CRASH_DUMP_BYTES=0",
		},
		Dir:   e.dir, // where Mnesia leaves its core when it is starved
		Grace: startGrace,
	})
	if err := e.waitListening(process); err != nil {
		process.stop(0)
		return nil, err
	}
	if strings.Contains(process.Output(), "eaddrinuse") || strings.Contains(process.Output(), "address already in use") {
		process.stop(0)
		return nil, fmt.Errorf("testpeer: a port of ejabberd was taken by somebody else")
	}
	return process, nil
}

func (e *ejabberd) waitListening(p *Process) error {
	for _, addr := range append(e.addrs, e.api) {
		if err := p.waitListening(addr); err != nil {
			return err
		}
	}
	return nil
}

// evaluator evaluates what it reads, an expression a line, and prints what came of it.
const evaluator = `spawn(fun Next() ->
	case io:get_line("") of
		eof -> ok;
		Line ->
			{ok, Tokens, _} = erl_scan:string(Line),
			{ok, Expressions} = erl_parse:parse_exprs(Tokens),
			io:format("evaluated: ~0p~n", [catch element(2, erl_eval:exprs(Expressions, []))]),
			Next()
	end
end)`

// evaluate has an ejabberd that runs evaluate an Erlang expression, which must come to what is wanted.
func (p *Process) evaluate(expression, want string) error {
	before := strings.Count(p.Output(), "evaluated: ")
	if _, err := io.WriteString(p.Stdin, expression+".\n"); err != nil {
		return fmt.Errorf("testpeer: %w", err)
	}
	for deadline := time.Now().Add(readyTimeout); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if said := strings.Split(p.Output(), "evaluated: "); len(said) > before+1 {
			if got, _, _ := strings.Cut(said[before+1], "\n"); got != want {
				return fmt.Errorf("testpeer: %s came to %s, not to %s", expression, got, want)
			}
			return nil
		}
	}
	return fmt.Errorf("testpeer: no word of %s within %v", expression, readyTimeout)
}

// erlangLibs is the folder of the architecture where Debian keeps ejabberd and what it needs.
func erlangLibs(t testing.TB) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/*/ejabberd-*") // the pattern is a good one
	if len(found) == 0 {
		t.Fatal("testpeer: ejabberd is not installed: run `make peers`")
	}
	return filepath.Dir(found[0])
}

func (e *ejabberd) register(t testing.TB, s *XMPPServer, user, password string) {
	t.Helper()
	if _, err := e.command("register", map[string]string{"user": user, "host": s.Domain, "password": password}); err != nil {
		t.Fatal(err)
	}
}

// command has the server do what ejabberdctl would, as far as ejabberd.yml permits it, and returns what it answers.
func (e *ejabberd) command(name string, args map[string]string) ([]byte, error) {
	body, err := json.Marshal(args)
	if err != nil {
		return nil, fmt.Errorf("testpeer: ejabberd %s: %w", name, err)
	}
	client := &http.Client{Timeout: readyTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Post("http://"+e.api+"/api/"+name, "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("testpeer: ejabberd %s: %w", name, err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s", resp.Status, said)
	}
	if err != nil {
		return nil, fmt.Errorf("testpeer: ejabberd %s: %w", name, err)
	}
	return said, nil
}
