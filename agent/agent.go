package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"xtls-agent/control"
	"xtls-agent/control/journal"
	"xtls-agent/hw/button"
	"xtls-agent/hw/display"
	"xtls-agent/hw/output"
	"xtls-agent/pairing"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
)

// Env is what the agent needs of the world outside. Zero fields mean the real one.
type Env struct {
	Log     *slog.Logger
	Now     func() time.Time
	Rand    io.Reader
	Display display.Env
	Button  button.Env
	Output  output.Env
	// ExecSocket is where a helper runs programs ([ServeExec]); "" has them as children.
	ExecSocket string
	// Alive is called at each AliveEvery, as long as the device could tell how it is doing; may be nil.
	Alive      func()
	AliveEvery time.Duration
	// Ready is called once the device can be reached or is trying to be; may be nil.
	Ready func()
	// Dial, if set, makes the link to the device's server in the place of the one that the configuration selects.
	Dial func(ctx context.Context) (xmpp.Link, error)
	// Listening is told where the LAN link listens, "host:port"; may be nil.
	Listening func(addr string)
	// Version is the program's, for status.
	Version string
	// Commands are offered besides the configured ones.
	Commands []control.Command
	// Calls is where calls are kept that have an id. Without a store they are kept in memory.
	Calls CallLog
}

// CallLog is what is stored of calls; see package journal.
type CallLog struct {
	Store   journal.Store
	Entries [][]byte // what it held at the start
	Whole   bool     // whether these are all that were stored
}

// journal opens the journal of a log.
func (c CallLog) journal(env Env) *journal.Journal {
	if c.Store == nil {
		c = CallLog{Store: journal.Nowhere{}}
	}
	return journal.Open(c.Store, c.Entries, c.Whole, time.Now, env.Log)
}

func (e Env) withDefaults() Env {
	if e.Log == nil {
		e.Log = slog.New(slog.DiscardHandler)
	}
	if e.Button.Log == nil {
		e.Button.Log = e.Log
	}
	if e.Output.Log == nil {
		e.Output.Log = e.Log
	}
	if e.Now == nil {
		e.Now = time.Now
	}
	if e.Rand == nil {
		e.Rand = rand.Reader
	}
	if e.Ready == nil {
		e.Ready = func() {}
	}
	if e.Alive == nil || e.AliveEvery <= 0 {
		e.Alive, e.AliveEvery = func() {}, time.Hour
	}
	if e.Listening == nil {
		e.Listening = func(string) {}
	}
	return e
}

// Agent is a device.
type Agent struct {
	cfg     *Config
	env     Env
	store   trust.Store
	started time.Time
	parting *parting
	calls   *journal.Journal // outlives lives, and is forgotten by a wipe

	lifeMu sync.Mutex // guards life
	life   *life      // the current one; nil between lives
}

// New returns an agent that keeps its memory in store.
func New(cfg *Config, store trust.Store, env Env) *Agent {
	env = env.withDefaults()
	return &Agent{cfg: cfg, env: env, store: store, started: env.Now(), parting: new(parting), calls: env.Calls.journal(env)}
}

// errWiped ends a life: the device has forgotten everything, and begins anew.
var errWiped = errors.New("agent: the memory was wiped")

// errNotWiped ends a life: some of the memory may be forgotten, and what is left is read again.
var errNotWiped = errors.New("agent: the memory could not be wiped")

// errMended ends a life: damaged memory was set right, and is read again.
var errMended = errors.New("agent: the memory was mended")

// beginsAnew reports whether another life follows on one that ended for err.
func beginsAnew(err error) bool {
	return slices.ContainsFunc([]error{errWiped, errNotWiped, errMended, errProvisioned, errDisowned}, func(why error) bool {
		return errors.Is(err, why)
	})
}

// Run runs the device until ctx ends. It returns nil then, and an error if the device cannot
// be what its configuration says.
func (a *Agent) Run(ctx context.Context) error {
	if err := os.MkdirAll(a.cfg.RunDir, 0o755); err != nil {
		return fmt.Errorf("agent: %w (move it with run_dir)", err)
	}
	panel, err := openPanel(a.cfg, a.env)
	if err != nil {
		return err
	}
	defer panel.close()
	for ctx.Err() == nil {
		l, err := newLife(a, panel)
		if errors.Is(err, trust.ErrNotStored) {
			a.awaitRoom(ctx, panel, err)
			continue
		}
		if err != nil {
			return err
		}
		a.set(l)
		err = l.run(ctx)
		a.set(nil)
		switch {
		case beginsAnew(err):
			a.env.Log.Warn("beginning anew", "why", err)
		case ctx.Err() != nil:
			return nil
		default:
			return fmt.Errorf("agent: %w", err)
		}
	}
	return nil
}

// storeRetry is how often a device that cannot store what it needs to begin looks whether there is room.
const storeRetry = 5 * time.Second

// awaitRoom says why the device cannot begin, and waits a little: nobody can pair with a device that forgets him.
func (a *Agent) awaitRoom(ctx context.Context, p *panel, why error) {
	a.env.Log.Error("the device cannot begin: it has no room to store what it learns, and looks again from time to time", "err", why)
	if err := p.show(display.Screen{Lines: []string{pairing.Notice{Kind: pairing.NoticeStorage}.Text()}}); err != nil {
		a.env.Log.Warn("no display works", "err", err)
	}
	a.env.Ready() // it is trying to be reached
	alive := time.NewTicker(a.env.AliveEvery)
	defer alive.Stop()
	retry := time.After(storeRetry)
	for {
		select {
		case <-alive.C:
			a.env.Alive()
		case <-retry:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (a *Agent) set(l *life) {
	a.lifeMu.Lock()
	defer a.lifeMu.Unlock()
	a.life = l
}
