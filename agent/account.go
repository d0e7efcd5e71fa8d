package agent

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/control"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
)

// account is the device's account at a server: that of its configuration or, where that has none, the one that an owner gave it.
type account struct {
	jid      jid.JID
	password func() (string, error)
	server   string // host:port; empty: by SRV records
	roots    func() (*x509.CertPool, error)
	link     LinkKind
	spread   time.Duration // 0: the link's own
	given    bool          // by an owner
	uplink   *uplink
}

func (c *XMPPConfig) account() *account {
	return &account{
		jid: c.JID.JID, password: c.Password, server: c.Server, roots: c.roots, link: c.Link.Word, spread: c.Spread.std(),
	}
}

// accountGiven is the account that an owner gave.
func accountGiven(a control.Account) *account {
	password := func() (string, error) { return a.Password(), nil }
	return &account{jid: a.JID, password: password, server: a.Server, roots: a.Roots, link: LinkC2S, given: true}
}

// dial logs in by the link that was selected.
func (a *account) dial(ctx context.Context, log *slog.Logger, now func() time.Time) (xmpp.Link, error) {
	roots, err := a.roots()
	if err != nil {
		return nil, err
	}
	if a.link == LinkGoXMPP {
		return a.dialGoXMPP(ctx, roots, log, now)
	}
	link, err := c2s.Dial(ctx, a.uplink.config(c2s.Config{
		JID: a.jid, Password: a.password, Server: a.server, Roots: roots, Spread: a.spread, Built: builtAfter, Log: log, Now: now,
	}))
	if err != nil {
		return nil, err
	}
	return link, nil
}

// inWords says which account it is and where it comes from, for status.
func (a *account) inWords() string {
	switch {
	case a == nil:
		return "none: on the local network only"
	case a.given:
		return a.jid.String() + " (given by an owner)"
	}
	return a.jid.String() + " (in the configuration)"
}

// accountFile is where the account is stored that an owner gave.
const accountFile = "account"

// storedAccount is its form on disk. It holds the password: like all of the state, the file is the device's own.
type storedAccount struct {
	Version  int    `json:"version"`
	JID      string `json:"jid"`
	Password string `json:"password"`
	Server   string `json:"server,omitempty"`
	CA       string `json:"ca,omitempty"`
}

// account returns what an owner gave, or nil. Errors do not quote what is stored.
func (m *memory) account() (*account, error) {
	data, err := m.store.Read(accountFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("agent: reading the account: %w", err)
	}
	a, err := parseStoredAccount(data)
	if err != nil {
		return nil, err
	}
	return accountGiven(a), nil
}

var errStoredAccount = errors.New("agent: the stored account is not in a form that this version knows")

func parseStoredAccount(data []byte) (control.Account, error) {
	var s storedAccount
	if err := json.Unmarshal(data, &s); err != nil || s.Version != 1 {
		return control.Account{}, errStoredAccount
	}
	j, err := jid.Parse(s.JID)
	a := control.Account{JID: j, Password: func() string { return s.Password }, Server: s.Server, CA: s.CA}
	if err != nil || a.Check() != nil {
		return control.Account{}, errStoredAccount
	}
	return a, nil
}

// keepAccount stores the account in the place of the one before, durably.
func (m *memory) keepAccount(a control.Account) error {
	data, err := json.Marshal(storedAccount{1, a.JID.String(), a.Password(), a.Server, a.CA})
	if err != nil {
		return errStoredAccount
	}
	if _, err := m.store.Read(accountFile); err != nil && !errors.Is(err, fs.ErrNotExist) { // what is damaged is not written over
		if err := m.store.Remove(accountFile); err != nil {
			return err
		}
	}
	return m.store.Write(accountFile, data)
}

// recallAccount finds the account that the device uses; nil: it has none. An account belongs to the owners of whom one gave
// it: a device that has none any more, say since the power went in the middle of a wipe, forgets it.
func (l *life) recallAccount() (*account, error) {
	if l.cfg.XMPP != nil {
		return l.cfg.XMPP.account(), nil
	}
	given, err := l.memory.account()
	if l.memory.damaged != nil || l.memory.owners.Owned() {
		return given, err
	}
	if given != nil || err != nil {
		if err := l.memory.store.Remove(accountFile); err != nil {
			l.log.Error("the account of an earlier owner is not used, and cannot be forgotten", "err", err)
		}
	}
	if err := l.memory.store.Remove(tokenFile); err != nil { // it logs in to that account
		l.log.Error("the token of an earlier owner's account is not used, and cannot be forgotten", "err", err)
	}
	return nil, nil
}

// useAccount is recallAccount, and says what is wrong. A device whose account cannot be read serves the LAN.
func (l *life) useAccount() {
	var err error
	if l.account, err = l.recallAccount(); err != nil {
		l.log.Error("the device is on the local network only: its account cannot be read, and its admin must give it anew", "err", err)
		l.trouble("The account cannot be read. Provision it anew.")
	}
}
