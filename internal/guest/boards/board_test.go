package boards

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"xtls-agent/internal/guest"
	"xtls-agent/internal/guest/hand"
)

// TestMain says at the end how long all guests took together, which is to stay under five minutes (docs/ARCHITECTURE.md).
func TestMain(m *testing.M) {
	begun := time.Now()
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		since, kernels := begun, "all kernels were there"
		if last := guest.LastFetch(); last.After(begun) {
			since, kernels = last, "the last kernel was fetched"
		}
		fmt.Printf("all guests took %v since %s\n", time.Since(since).Round(time.Second), kernels)
		os.Exit(code)
	}))
}

// patience is what one guest may take for all that it does: half a minute, but for a new machine that has to fetch and build everything.
const patience = 10 * time.Minute

// board is a machine that a test works on.
type board struct {
	*testing.T
	guest *guest.Guest
	ctx   context.Context
}

// newBoard starts a machine with both programs on it, and the tests of packages that need a kernel.
func newBoard(t *testing.T, c guest.Config, tests ...string) *board {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	build := func(path string, build func() ([]byte, error)) {
		b, err := build()
		if err != nil {
			t.Fatal(err)
		}
		c.Files[path] = b
	}
	if c.Files == nil {
		c.Files = make(guest.Files)
	}
	for _, program := range []string{"xtls-agent", "xtlsctl"} {
		build("/bin/"+program, func() ([]byte, error) { return c.Machine.Build(ctx, "xtls-agent/cmd/"+program, "") })
	}
	for _, pkg := range tests {
		build(testProgram(pkg), func() ([]byte, error) { return c.Machine.BuildTest(ctx, "xtls-agent/"+pkg) })
	}
	return startBoard(t, ctx, c)
}

// startBoard starts a machine.
func startBoard(t *testing.T, ctx context.Context, c guest.Config) *board {
	t.Helper()
	c.Log = func(line string) { fmt.Println(line) } // `go test -v` shows it at once
	g, err := guest.Start(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the console of the %s says at last:\n%s", c.Machine.Name, g.ConsoleTail())
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return &board{T: t, guest: g, ctx: ctx}
}

// testProgram is where the tests of a package lie in the guest.
func testProgram(pkg string) string { return "/test/" + strings.ReplaceAll(pkg, "/", "-") }

// environment is all that a program in a guest has.
var environment = []string{"PATH=/bin", "HOME=/run", "XTLSCTL_DIR=/run/owner"}

// run runs a program that must end well, and returns what it printed.
func (b *board) run(argv ...string) string { return b.feed("", argv...) }

// feed is run with something to read.
func (b *board) feed(input string, argv ...string) string {
	b.Helper()
	exit, err := b.guest.Run(b.ctx, hand.Command{Argv: argv, Env: environment, Input: input})
	if err != nil {
		b.Fatal(err)
	}
	if exit.Code != 0 {
		b.Fatalf("%s: %s\n%s", strings.Join(argv, " "), exit.How, exit.Output)
	}
	return exit.Output
}

// start starts a program that goes on.
func (b *board) start(c hand.Command) *guest.Program {
	b.Helper()
	c.Env = append(append([]string{}, environment...), c.Env...)
	p, err := b.guest.Start(b.ctx, c)
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// agent starts xtls-agent by a configuration, and waits until it is ready.
func (b *board) agent(config string) *guest.Program {
	b.Helper()
	b.write("/run/config.toml", config)
	p := b.start(hand.Command{Argv: []string{"/bin/xtls-agent", "run", "--config", "/run/config.toml"}, Notify: true})
	b.ready(p)
	return p
}

// ready waits until a program is, and says how long that took.
func (b *board) ready(p *guest.Program) time.Duration {
	b.Helper()
	after, err := p.Ready(b.ctx)
	if err != nil {
		exit, _ := p.Wait(b.ctx)
		b.Fatalf("%v\n%s", err, exit.Output)
	}
	b.step("agent ready after %.2f s", after.Seconds())
	return after
}

// step says what has come to pass.
func (b *board) step(format string, args ...any) { b.guest.Log(format, args...) }

func (b *board) write(path, content string) {
	b.Helper()
	if err := b.guest.WriteFile(b.ctx, path, []byte(content), 0o600); err != nil {
		b.Fatal(err)
	}
}

func (b *board) read(path string) []byte {
	b.Helper()
	content, err := b.guest.ReadFile(b.ctx, path)
	if err != nil {
		b.Fatal(err)
	}
	return content
}
