package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"

	"xtls-agent/owner"
	"xtls-agent/xmpp/c2s"
)

// uplink keeps the account online for as long as a device is followed through its server. It is always c2s, whatever link the account has
// for one command: only that one resumes its stream, and finds out in seconds that its connection is dead.
//
// The token by which c2s logs in again (XEP-0484) is kept in memory: a run lasts for days and logs in by password once. On the disk it
// would be a second secret beside that password, and good for no more than it.
type uplink struct {
	client *Client
	line   *line // hears what becomes of it
	cancel context.CancelFunc
	run    sync.WaitGroup

	mu      sync.Mutex   // guards all below
	owner   *owner.Owner // nil while there is none
	why     error        // why there is none
	away    bool         // its connection is lost, and why says why; it may come back
	changed chan struct{}
}

// newUplink begins to log in, until close.
func (l *line) newUplink() *uplink {
	ctx, cancel := context.WithCancel(context.Background())
	u := &uplink{client: l.client, line: l, cancel: cancel, changed: make(chan struct{})}
	var mounted *owner.Owner // of the session that is up
	supervisor := c2s.Supervisor{
		Dial:    u.dialer(),
		Network: &l.net,
		Mount: func(s *owner.Outer) {
			cfg := l.client.ownerConfig()
			cfg.Shown = l.shown
			mounted = owner.Mount(s, l.client.keys, cfg)
		},
		Online: func(ctx context.Context, _ *owner.Outer) error {
			o := mounted
			u.set(o, nil)
			<-ctx.Done()
			u.set(nil, errOffAir)
			o.Close()
			return nil
		},
		Report: u.report,
		Log:    quietly(l.client.cfg.Log),
	}
	u.run.Go(func() { _ = supervisor.Run(ctx) }) // ends with close
	return u
}

var errOffAir = errors.New("not connected to the server")

// quietly leaves out what is told otherwise, unless somebody wants all the details.
func quietly(log *slog.Logger) *slog.Logger {
	if log.Enabled(context.Background(), slog.LevelInfo) {
		return log
	}
	return slog.New(slog.DiscardHandler)
}

// dialer logs in. The logins have in common what makes the next one fast.
func (u *uplink) dialer() func(context.Context) (owner.Link, error) {
	a := u.client.account
	cfg := c2s.Config{
		JID: a.JID, Password: u.password, Server: a.Server, Network: &u.line.net, Log: quietly(u.client.cfg.Log),
		Tokens: new(memory), TLSSessions: tls.NewLRUClientSessionCache(1),
	}
	return func(ctx context.Context) (owner.Link, error) {
		var err error
		if cfg.Roots, err = a.roots(); err != nil {
			return nil, err
		}
		link, err := c2s.Dial(ctx, cfg)
		if err != nil {
			return nil, err
		}
		return link, nil
	}
}

// password is that of the account as it is stored now: a person who changed it has logged in again meanwhile.
func (u *uplink) password() (string, error) {
	if a, err := loadAccount(u.client.folder); err == nil && a != nil && a.JID.Equal(u.client.account.JID) {
		return a.Password(), nil
	}
	return u.client.account.Password(), nil
}

// report notes how the account is doing.
func (u *uplink) report(s c2s.State) {
	switch s.Phase {
	case c2s.Resuming:
		u.leave(s.Err)
		u.line.lost(s.Err)
	case c2s.Online:
		if u.comeBack() {
			u.line.back()
		}
	case c2s.Waiting:
		u.set(nil, s.Err)
	}
}

func (u *uplink) set(o *owner.Owner, why error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.owner, u.why = o, why
	u.wake()
}

// leave notes that the connection is lost.
func (u *uplink) leave(why error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.away, u.why = true, why
	u.wake()
}

// comeBack notes that there is a connection. It reports whether what ran over the one before goes on: not over a link that is new, and
// does not stand yet.
func (u *uplink) comeBack() (resumed bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	resumed = u.away && u.owner != nil
	u.away, u.why = false, nil
	u.wake()
	return resumed
}

// wake wakes who awaits the link. The caller holds mu.
func (u *uplink) wake() {
	close(u.changed)
	u.changed = make(chan struct{})
}

// await returns the owner's side on the link to the server, once that is there. It gives up where a person has to do something first.
func (u *uplink) await(ctx context.Context) (*owner.Owner, error) {
	for {
		u.mu.Lock()
		o, why, away, changed := u.owner, u.why, u.away, u.changed
		u.mu.Unlock()
		switch {
		case o != nil && !away:
			return o, nil
		case owner.IsFinal(why), isFinal(why):
			return nil, why
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("client: %w: %w", offAir(why), context.Cause(ctx))
		}
	}
}

// offAir is why the account is not online. That the server does not answer says nothing of the device.
func offAir(why error) error {
	if why == nil || errors.Is(why, errOffAir) {
		return errOffAir
	}
	return fmt.Errorf("%w: %v", errOffAir, why)
}

// close logs out.
func (u *uplink) close() {
	u.cancel()
	u.run.Wait()
}

// memory keeps a token for as long as the program runs.
type memory struct {
	mu   sync.Mutex // guards data
	data []byte
}

func (m *memory) Load() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.data == nil {
		return nil, fs.ErrNotExist
	}
	return m.data, nil
}

func (m *memory) Save(data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.data = data
	return nil
}
