package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"xtls-agent/agent"
	"xtls-agent/client"
)

// heaterCommand is a command whose state a program tells, from a file in the box's folder.
func heaterCommand(w *world, box string) (config, file string) {
	file = w.file(box+"/heater", "cold\n")
	return fmt.Sprintf(`
[[command]]
name = "heater"
exec = ["/bin/sh", "-c", "echo \"$1\" > %[1]s", "sh", "{to}"]
state = ["/bin/cat", "%[1]s"]
state_every = "1s"
  [[command.field]]
  name = "to"
`, file), file
}

// An owner who watches hears each change, whoever made it, on the LAN and through a server; and a run says the state after it.
func TestStatesOnTheLAN(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	config, file := heaterCommand(w, "box")
	b := w.newBox(boxConfig{more: config}).start()
	romeo := w.newOwner("romeo")
	romeo.pairs(b, b.lan(), "--name", "telly")
	watchStates(w, b, romeo, file)
	b.kill()
	b.local("blank").want(0) // there is nothing to blank but a terminal
}

func statesOnServer(w *world, s setting) {
	config, file := heaterCommand(w, "box")
	b, romeo := w.newPair(s, boxConfig{more: config})
	b.start().online()
	romeo.pairs(b, b.jid, "--name", "telly")
	watchStates(w, b, romeo, file)
}

func watchStates(w *world, b *box, romeo *person, file string) {
	w.Helper()
	heard := watching(w, romeo, "telly")
	next := func(want string) {
		w.Helper()
		select {
		case got := <-heard:
			if got != want {
				w.Fatalf("told %q, want %q", got, want)
			}
		case <-time.After(patience):
			w.Fatalf("not told %q within %v", want, patience)
		}
	}
	next("heater: cold")
	romeo.ctl("call", "telly", "heater", "to=warm").want(0, "heater: warm\n")
	next("heater: warm")
	socket := filepath.Join(b.dir, "run", "control.sock")
	if _, err := agent.CallLocal(w.Context(), socket, "heater", agent.Values{"to": {"hot"}}); err != nil {
		w.Fatal(err)
	}
	next("heater: hot")
	if err := os.WriteFile(file, []byte("cool\n"), 0o600); err != nil {
		w.Fatal(err)
	}
	next("heater: cool")
	listed := strings.Join(strings.Fields(romeo.ctl("commands", "telly").want(0).stdout), " ")
	if !strings.HasSuffix(listed, " heater heater cool lamp Lamp") {
		w.Errorf("commands: %s", listed)
	}
	romeo.ctl("call", "telly", "heater", "to=mild", "--json").want(0, `{"exit":0,"state":"mild"}`)
	next("heater: mild")
	b.local("status").want(0, "States: heater: mild\n")
}

// watching hears the states of a device with the library, in a folder that xtlsctl has paired with it.
func watching(w *world, p *person, device string) <-chan string {
	w.Helper()
	c, err := client.Open(client.Config{Dir: p.dir, Log: slog.New(slog.NewTextHandler(w.newLog(p.name+"'s watch"), nil))})
	if err != nil {
		w.Fatal(err)
	}
	target, err := c.Target(device)
	if err != nil {
		w.Fatal(err)
	}
	s, err := c.Open(w.Context(), target)
	if err != nil {
		w.Fatal(err)
	}
	heard, done := make(chan string), make(chan struct{})
	ctx, cancel := context.WithCancel(w.Context())
	go func() {
		defer close(done)
		for r := range s.Watch(ctx) {
			select {
			case heard <- r.Command + ": " + r.State.String():
			case <-ctx.Done():
			}
		}
	}()
	w.Cleanup(func() {
		cancel()
		<-done
		s.Close()
	})
	return heard
}
