package exec

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"xtls-agent/control"
	"xtls-agent/internal/fuzztest"
	"xtls-agent/xmpp/form"
)

// startHelper serves the definitions at a Unix socket until the test ends, as systemd does: a helper for each connection.
func startHelper(t *testing.T, definitions ...Definition) (socket string) {
	t.Helper()
	folder, err := os.MkdirTemp("", "") // t.TempDir's name may be longer than a socket's
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	socket = filepath.Join(folder, "exec")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	h, err := NewHelper(definitions, "")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { _ = h.Serve(context.Background(), conn) })
		}
	})
	t.Cleanup(func() { listener.Close(); serving.Wait() })
	return socket
}

// say sends a line to a helper as a broken-in agent could, and returns its answer.
func say(t *testing.T, socket, line string) reply {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(line)); err != nil {
		t.Fatal(err)
	}
	var got reply
	if err := json.NewDecoder(conn).Decode(&got); err != nil {
		t.Fatal(err)
	}
	return got
}

// Whoever speaks to the helper has it run what the configuration names, with values that it allows, and nothing else.
func TestHelperRunsWhatTheConfigurationNames(t *testing.T) {
	d := Definition{Name: "lamp", Args: []string{"/bin/echo", "{state}", "{n}", "{word}"}, Fields: []Field{
		{Field: form.Field{Var: "state", Type: form.ListSingle, Options: []form.Option{{Value: "on"}}, Required: true}},
		{Field: form.Field{Var: "n", Type: form.TextSingle, Range: &form.Range{Min: 1, Max: 9}}},
		{Field: form.Field{Var: "word", Type: form.TextSingle}},
	}}
	socket := startHelper(t, d)
	if got := say(t, socket, `{"command":"lamp","values":{"state":["on"],"n":["5"],"word":["a b"]}}`+"\n"); string(got.Output) != "on 5 a b\n" || got.Error != "" {
		t.Fatalf("%+v", got)
	}
	for line, want := range map[string]string{
		`{"command":"reboot"}`: "no program",
		`{"command":""}`:       "no program",
		`{"command":"lamp","values":{"state":["on; reboot"]}}`: "state",
		`{"command":"lamp"}`: "state",
		`{"command":"lamp","values":{"state":["on"],"n":["10"]}}`:    "n",
		`{"command":"lamp","values":{"state":["on"],"word":["-n"]}}`: "must not begin",
		`{"command":"lamp","state":true}`:                            "no state",
		`{"command":"lamp","args":["/bin/sh"]}`:                      "not understood",
		`{"command":"lamp","user":"root"}`:                           "not understood",
		`["/bin/sh","-c","reboot"]`:                                  "not understood",
		`/bin/sh -c reboot`:                                          "not understood",
	} {
		if got := say(t, socket, line+"\n"); !strings.Contains(got.Error, want) || len(got.Output) > 0 {
			t.Errorf("%s: %+v, want %q", line, got, want)
		}
	}
	if _, err := readLine(bufio.NewReader(strings.NewReader(strings.Repeat("a", maxRequest) + "\n"))); err == nil {
		t.Error("a request has no bound")
	}
}

// An agent that keeps no time limit does not get around it, and one that vanishes leaves nothing behind.
func TestHelperEndsPrograms(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	d := scripted(Definition{Timeout: time.Millisecond}, `echo $$ >"$1"; exec sleep 20`, file)
	start := time.Now()
	if got := say(t, startHelper(t, d), `{"command":"test"}`+"\n"); !got.Killed || time.Since(start) > 15*time.Second {
		t.Errorf("%+v after %v", got, time.Since(start))
	}
	if !gone(t, file) {
		t.Error("a program outlived its time limit")
	}

	file = filepath.Join(t.TempDir(), "pid")
	conn, err := net.Dial("unix", startHelper(t, scripted(Definition{}, `echo $$ >"$1"; exec sleep 20`, file)))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(conn, `{"command":"test"}`)
	<-cancelWhenWritten(t, file).Done()
	conn.Close()
	if !gone(t, file) {
		t.Error("a program outlived the agent")
	}
}

func TestWithoutHelper(t *testing.T) {
	r := NewRunnerApart(filepath.Join(t.TempDir(), "nobody"), nil)
	// Who the agent is does not matter: the helper becomes another user.
	c, err := r.Command(Definition{Name: "lamp", Args: []string{"/bin/true"}, User: "nobody"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Run(t.Context(), control.Call{}); err == nil || !strings.Contains(err.Error(), "xtls-agent-exec.socket") {
		t.Errorf("%v", err)
	}
	if _, err := NewRunnerApart(startHelper(t), nil).Command(Definition{Name: "lamp", Args: []string{"/bin/true"}, User: "no-such-user"}); err == nil {
		t.Error("a user who is not there")
	}
	c, err = NewRunnerApart(startHelper(t, Definition{Name: "lamp", Args: []string{"/does/not/exist"}}), nil).Command(Definition{Name: "lamp", Args: []string{"/bin/true"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Run(t.Context(), control.Call{}); err == nil || err.Error() != "the device cannot run the program of lamp: no such file or directory" {
		t.Errorf("%v", err)
	}
}

// FuzzRequest: whatever an agent sends, the helper runs a program that it was told of, and no value becomes an option of it.
func FuzzRequest(f *testing.F) {
	f.Add(`{"command":"lamp","values":{"state":["on"],"word":["a"]}}`)
	f.Add(`{"command":"lamp","values":{"state":["off"],"word":["-rf"]}}`)
	f.Add(`{"command":"reboot","values":null}`)
	f.Add(`{"command":"lamp","args":["/bin/sh"]}`)
	h, err := NewHelper([]Definition{{Name: "lamp", Args: []string{"/bin/lamp", "{state}", "{word}"}, Fields: []Field{
		{Field: form.Field{Var: "state", Type: form.ListSingle, Options: []form.Option{{Value: "on"}}, Required: true}}, text("word"),
	}}}, "")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, line string) {
		j, err := h.accept(bufio.NewReader(strings.NewReader(line + "\n")))
		if err != nil {
			fuzztest.Line(t, err)
			return
		}
		if len(j.argv) != 3 || j.argv[0] != "/bin/lamp" || j.argv[1] != "on" || strings.HasPrefix(j.argv[2], "-") {
			t.Fatalf("%q", j.argv)
		}
	})
}

// What tells a state runs by the helper too, and is told the same.
func TestStateByTheHelper(t *testing.T) {
	braces := strings.NewReplacer("{", "{{", "}", "}}")
	for script, want := range map[string]string{
		"echo noise >&2; echo off; echo on; echo": "on <nil>",
		"echo on; echo no lamp >&2; exit 3":       " /bin/sh ended with exit status 3: no lamp",
		"kill -9 $$":                              " /bin/sh ended with signal: killed",
		"sleep 20":                                " /bin/sh did not finish in time",
	} {
		d := Definition{Name: "lamp", Args: []string{"/bin/true"}, State: []string{"/bin/sh", "-c", braces.Replace(script)}}
		c, err := NewRunnerApart(startHelper(t, d), nil).Command(d)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		state, err := c.State.Read(ctx)
		cancel()
		if got := fmt.Sprint(state.Word, " ", err); got != want {
			t.Errorf("%s: %q, want %q", script, got, want)
		}
	}
}
