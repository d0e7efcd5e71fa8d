package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"mellium.im/xmpp/jid"

	"xtls-agent/control"
	"xtls-agent/control/exec"
	"xtls-agent/pairing"
	"xtls-agent/trust"
	"xtls-agent/xmpp/lan"
	"xtls-agent/xtls"
)

// life is the device between two wipes.
type life struct {
	agent  *Agent
	cfg    *Config
	env    Env
	log    *slog.Logger
	panel  *panel
	memory *memory
	keeper *pairing.Keeper

	account      *account   // nil: on the LAN only
	provisioning sync.Mutex // held while an account is tried and stored

	forOwners *control.Registry // on x509 sessions
	forLocal  *control.Registry // on the local socket: the same and a few more
	states    *control.States   // what the commands' things are
	observer  *control.Observer // looks at them
	links     *board            // how the links are doing
	sessions  *sessions         // open x509 sessions
	tickets   *xtls.Tickets     // with which owners resume theirs
	news      *news             // what owners are still to be told
	guests    *guests           // who waits for a window, on the server link

	signMu sync.Mutex // guards sign and fade, and the order in which the sign is shown
	sign   sign
	fade   *time.Timer // takes a notice that has passed from the sign; nil if there is none

	openersMu sync.Mutex           // guards openers
	openers   map[string]trust.Key // by bare JID: whose certificate asked for a window

	ending sync.WaitGroup // sessions that are about to end

	end chan error // what ends the life besides its context; holds one
}

// newLife reads the memory and builds what hangs on it.
func newLife(a *Agent, p *panel) (*life, error) {
	m, err := remember(a.store, a.cfg.Name.String(), a.env)
	if err != nil {
		return nil, err
	}
	l := &life{
		agent: a, cfg: a.cfg, env: a.env, log: a.env.Log, panel: p, memory: m,
		links: newBoard(), sessions: newSessions(), tickets: new(xtls.Tickets), news: &news{store: m.store}, openers: make(map[string]trust.Key), end: make(chan error, 1),
	}
	l.useAccount()
	l.guests = newGuests(l)
	if err := l.newKeeper(); err != nil {
		return nil, err
	}
	return l, l.newCommands()
}

func (l *life) newKeeper() error {
	allow, err := pairing.ParsePatterns(l.cfg.Pairing.Allow)
	if err != nil {
		return err
	}
	policy := pairing.Config{
		Window: l.cfg.Pairing.Window.std(), Allow: allow, Owners: owners{l.memory.owners},
		DrawPIN: func() (pairing.PIN, error) { return pairing.NewPIN(l.env.Rand) },
		CanShow: func() bool { return l.panel.screens.Working() > 0 },
		Damaged: l.memory.damaged != nil,
	}
	if l.account != nil {
		policy.Domain = l.account.jid.Domainpart()
	}
	switch l.cfg.Pairing.Mode.Word {
	case ModeTyped:
		policy.Mode = pairing.ModeTyped
	case ModeFixed:
		policy.Mode = pairing.ModeFixed
		if policy.Fixed, err = l.cfg.Pairing.fixedPIN(); err != nil {
			return err
		}
	}
	var store pairing.CounterStore = l.memory.counters()
	if l.memory.damaged != nil {
		store = forgiving{l.memory.counters()}
	}
	l.keeper, err = pairing.NewKeeper(pairing.KeeperConfig{
		Policy: policy, Store: store, Show: l.show, Now: l.env.Now, Log: l.log, Typing: l.panel.typing,
	})
	return err
}

// newCommands builds both registries: what the local socket may do besides is in commands.go.
func (l *life) newCommands() error {
	configured, err := l.cfg.commands(l.runner(), l.panel.outlets)
	if err != nil {
		return err
	}
	configured = append(configured, l.env.Commands...)
	l.states = control.NewStates()
	l.observer = control.NewObserver(l.states, l.log)
	for i, c := range configured {
		configured[i] = l.observer.Observe(c)
	}
	builtin := []control.Command{control.StatusCommand(l), control.PairCommand(l), control.OwnersCommand(l)}
	owners := append(builtin, control.ProvisionCommand(l, l.mayProvision))
	l.forOwners, l.forLocal = control.NewRegistry(l.log), control.NewRegistry(l.log)
	l.forOwners.Remember(l.agent.calls)
	return errors.Join(
		l.forOwners.Add(append(owners, configured...)...),
		l.forLocal.Add(append(append(builtin, configured...), l.localCommands()...)...))
}

// runner runs programs as children, or through the helper.
func (l *life) runner() *exec.Runner {
	if l.env.ExecSocket != "" {
		return exec.NewRunnerApart(l.env.ExecSocket, l.log)
	}
	return exec.NewRunner(l.log)
}

// run runs everything until ctx ends or the life does, and waits for all of it.
func (l *life) run(ctx context.Context) error {
	unsubscribe := l.memory.owners.Subscribe(l.removed)
	defer unsubscribe()
	defer l.endFading()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return l.keeper.Run(ctx) })
	group.Go(func() error { return l.watchButtons(ctx) })
	group.Go(func() error { return l.serveLocal(ctx) })
	group.Go(func() error { l.observer.Run(ctx); return nil })
	// Before the device can be reached: who comes at once finds it in pairing mode.
	if err := l.openAtStart(); errors.Is(err, pairing.ErrNoDisplay) {
		group.Go(func() error { l.openWhenShown(ctx); return nil })
	}
	if l.cfg.LAN.On() {
		group.Go(func() error { return l.serveLAN(ctx) })
	}
	if l.account != nil {
		group.Go(func() error { return l.serveServer(ctx) })
	}
	group.Go(func() error { return l.awaitEnd(ctx) })
	err := group.Wait()
	l.forOwners.Close() // a command that still runs may remove an owner
	l.forLocal.Close()
	l.ending.Wait()
	return err
}

// awaitEnd waits for a reason to end. Meanwhile it says that the device is alive: that whatever a status is made of answers.
func (l *life) awaitEnd(ctx context.Context) error {
	alive := time.NewTicker(l.env.AliveEvery)
	defer alive.Stop()
	for {
		select {
		case <-alive.C:
			l.Status()
			l.env.Alive()
		case err := <-l.end:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// stop ends the life for a reason; the first one counts.
func (l *life) stop(why error) {
	select {
	case l.end <- why:
	default:
	}
}

// openAtStart opens the window of a device without an owner.
func (l *life) openAtStart() error {
	err := l.keeper.Open(pairing.Opening{By: pairing.ByStart})
	switch {
	case errors.Is(err, pairing.ErrOwned):
		l.changeSign(func(*sign) {}) // it has started, and there is nothing to say
	case err != nil:
		l.log.Info("no pairing window at the start", "why", err)
	}
	return err
}

// shownWithin is how long after the start a display may come to work and still show the first PIN. The slowest e-paper
// takes half a minute.
const shownWithin = time.Minute

// openWhenShown opens that window on a display that was too slow for the start.
func (l *life) openWhenShown(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, shownWithin)
	defer cancel()
	if l.panel.screens.Await(within) {
		_ = l.openAtStart()
	}
}

// show puts a notice of the policy on the displays.
func (l *life) show(n pairing.Notice) {
	l.changeSign(func(s *sign) {
		s.notice = n
		l.fadeLater(n)
	})
	if !n.Kind.OfKeys() { // whoever asks to see the device could time the keys
		l.guests.windowMayBeOpen()
	}
	switch n.Kind {
	case pairing.NoticePIN, pairing.NoticeLabel, pairing.NoticeBegin, pairing.NoticeType:
		xtls.PrepareSRP() // while he who reads this is typing
	}
}

// trouble says on the displays what keeps the device offline, or that nothing does any more. A PIN stays
// where it is: the device may still be reached on the LAN.
func (l *life) trouble(line string) {
	l.changeSign(func(s *sign) { s.trouble = line })
}

func (l *life) changeSign(change func(*sign)) {
	l.signMu.Lock()
	defer l.signMu.Unlock()
	change(&l.sign)
	if err := l.panel.show(l.sign.screen(l.address().Bare().String())); err != nil {
		l.log.Warn("no display shows this", "notice", l.sign.notice.Text(), "trouble", l.sign.trouble, "err", err)
	}
}

// address is what the device is called where it can be reached.
func (l *life) address() jid.JID {
	if l.account != nil {
		return l.account.jid
	}
	return l.lanAddress()
}

// lanAddress is what the device is called on the LAN by who met it before it had an account.
func (l *life) lanAddress() jid.JID {
	j, err := lan.LocalJID(l.cfg.Name.String())
	if err != nil {
		return localDevice
	}
	return j
}

// unlock lifts a lock, as a person at the device has asked. Damaged memory is mended first, and
// then read anew: why, if not nil, ends the life.
func (l *life) unlock() (why, err error) {
	if l.memory.damaged == nil {
		if err := l.keeper.Unlock(); err != nil {
			return nil, fmt.Errorf("unlocked only until the device restarts: %w", err)
		}
		return nil, nil
	}
	if err := l.memory.mend(); err != nil {
		return nil, fmt.Errorf("the memory cannot be mended: %w", err)
	}
	return errMended, nil
}

// wipe forgets everything that the device has learnt. The life ends for why, also when that failed: what is left
// is then read anew.
func (l *life) wipe() (why, err error) {
	l.keeper.Close() // no window outlives its owners
	if err := l.memory.wipe(); err != nil {
		return errNotWiped, fmt.Errorf("the device cannot be reset: %w", err)
	}
	if err := l.agent.calls.Forget(); err != nil { // nobody is left who could ask for them
		l.log.Warn("what came of earlier calls is still stored", "err", err)
	}
	return errWiped, nil
}

// removed ends what removed owners have open. Another record of the same address does not keep it open: it may be a claim
// from the LAN, or an enrolment that never came to its end.
func (l *life) removed(records []trust.Record) {
	l.tickets.Forget() // everybody's: the next session of each proves his key
	for _, r := range records {
		l.sessions.closeOf(r.Key())
		l.forOwners.Revoke(actor(r))
		if l.openedWindow(r.Key()) || !l.memory.isConfirmed(r.JID) {
			l.keeper.Removed(r.JID.String())
		}
		if !l.guests.isOwner(r.JID) {
			l.guests.dismiss(r.JID)
		}
	}
	if l.account != nil && l.account.given && !l.memory.owners.Owned() {
		l.endAfter(errDisowned)
	}
}

// openedWindow reports whether the last window that the owner's address opened was opened with this certificate.
func (l *life) openedWindow(k trust.Key) bool {
	l.openersMu.Lock()
	defer l.openersMu.Unlock()
	return l.openers[k.JID.String()].Equal(k)
}
