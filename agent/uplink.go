package agent

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"sync"

	"xtls-agent/internal/state"
	"xtls-agent/trust"
	"xtls-agent/xmpp/c2s"
)

// tokenFile is where the device's name at its server is stored, and the token that it got there.
const tokenFile = "token"

// uplink is what the logins of the device's account share. One that is only tried has none.
type uplink struct {
	tokens   c2s.TokenStore
	sessions tls.ClientSessionCache
	network  c2s.Network

	mu   sync.Mutex        // guards used
	used [sha256.Size]byte // digest of the password that was tried last; zero before the first
}

func (l *life) newUplink() *uplink {
	return &uplink{tokens: keptToken{l.memory.store}, sessions: tls.NewLRUClientSessionCache(1)}
}

// by returns the account with what its logins share.
func (a *account) by(u *uplink) *account {
	shared := *a
	shared.uplink = u
	shared.password = func() (string, error) {
		password, err := a.password()
		if err == nil {
			u.mu.Lock()
			u.used = sha256.Sum256([]byte(password))
			u.mu.Unlock()
		}
		return password, err
	}
	return &shared
}

// mended reports whether the account has another password than the one that was tried last: a person has changed the file. It says so
// once for each.
func (u *uplink) mended(a *account) bool {
	password, err := a.password()
	if err != nil {
		return false
	}
	now := sha256.Sum256([]byte(password))
	u.mu.Lock()
	defer u.mu.Unlock()
	before := u.used
	u.used = now
	return before != now && before != [sha256.Size]byte{}
}

// config fills in what the logins share.
func (u *uplink) config(cfg c2s.Config) c2s.Config {
	if u != nil {
		cfg.Tokens, cfg.TLSSessions, cfg.Network = u.tokens, u.sessions, &u.network
	}
	return cfg
}

// watch watches the network until stop is called.
func (l *life) watch(ctx context.Context, n *c2s.Network) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		if err := n.Watch(ctx); err != nil {
			l.log.Warn("the network's changes are not heard: reconnecting by time alone", "err", err)
		}
	})
	return func() {
		cancel()
		watching.Wait()
	}
}

// keptToken is the [c2s.TokenStore] on the device's store.
type keptToken struct{ store trust.Store }

func (k keptToken) Load() ([]byte, error) { return k.store.Read(tokenFile) }

// Save takes the place of a file that is damaged, too: what was in it is got again by password.
func (k keptToken) Save(data []byte) error {
	err := k.store.Write(tokenFile, data)
	var damaged *state.DamagedError
	if !errors.As(err, &damaged) {
		return err
	}
	if err := k.store.Remove(tokenFile); err != nil {
		return err
	}
	return k.store.Write(tokenFile, data)
}
