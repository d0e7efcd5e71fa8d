package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/owner"
	"xtls-agent/xmpp/lan"
)

// selfFile is the name under which the own JID on the LAN is kept: devices know this client by it, so it must
// outlast a new name of the machine.
const selfFile = "self"

// Config is what a Client may be given. Zero fields mean the real world.
type Config struct {
	Dir  string // the folder; empty: [DefaultDir]
	Log  *slog.Logger
	Now  func() time.Time
	Rand io.Reader

	// News hears what a device tells its owner unasked, such as that there is a new owner: a line for people. It is
	// called on the goroutine that reads, must not block, and may hear a line again. Nil: nobody.
	News func(device owner.Device, line string)

	// Resolve finds the address of a device on the LAN, or fails before ctx ends. Nil: multicast DNS.
	Resolve func(ctx context.Context, device jid.JID) (addrs []string, err error)
}

// Client is one run of the program.
type Client struct {
	cfg     Config
	folder  *folder
	keys    *owner.Keyring
	account *Account // nil: none
	self    jid.JID  // user@host
	uptime  uptime

	placesMu sync.Mutex // guards places
	places   places
}

// DefaultDir returns the folder of the user who runs the program.
func DefaultDir() (string, error) {
	base, err := os.UserConfigDir()
	if err != nil {
		return "", usagef("%w: name a folder with --dir", err)
	}
	return filepath.Join(base, "xtlsctl"), nil
}

// Open reads the folder. The first time it makes the folder and an identity.
func Open(cfg Config) (*Client, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, folder: &folder{path: cfg.Dir, patience: lockPatience}, uptime: readUptime}
	release, err := c.folder.Hold() // so that two first runs make one identity
	if err != nil {
		return nil, err
	}
	defer release()
	if c.account, err = loadAccount(c.folder); err != nil {
		return nil, err
	}
	if c.self, err = loadSelf(c.folder); err != nil {
		return nil, err
	}
	c.keys, err = owner.LoadKeyring(c.folder, c.Self().String(), cfg.Now(), cfg.Rand)
	if errors.Is(err, owner.ErrLost) {
		return nil, fmt.Errorf("%w: restore the folder %s from a backup, or move it away and pair again", err, cfg.Dir)
	}
	if err != nil {
		return nil, err
	}
	c.places, err = loadPlaces(c.folder)
	return c, err
}

// OpenExisting is Open for who wants to make nothing: without a folder it is an [fs.ErrNotExist].
func OpenExisting(cfg Config) (*Client, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(cfg.Dir); err != nil {
		return nil, err
	}
	return Open(cfg)
}

func (c *Config) setDefaults() (err error) {
	if c.Dir == "" {
		if c.Dir, err = DefaultDir(); err != nil {
			return err
		}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Resolve == nil {
		c.Resolve = resolve
	}
	return nil
}

// loadSelf returns user@host, as it was when the folder was made.
func loadSelf(f *folder) (jid.JID, error) {
	text, err := f.Read(selfFile)
	if err == nil {
		if j, err := jid.Parse(string(text)); err == nil {
			return j, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return jid.JID{}, fmt.Errorf("client: %w", err)
	}
	j, err := lan.LocalJID(userName())
	if err != nil {
		return jid.JID{}, err
	}
	if err := f.Write(selfFile, []byte(j.String())); err != nil {
		return jid.JID{}, fmt.Errorf("client: %w", err)
	}
	return j, nil
}

// userName returns the user's name, of a Windows one without its domain.
func userName() string {
	u, err := user.Current()
	if err != nil || u.Username == "" {
		return "owner"
	}
	return u.Username[strings.LastIndexByte(u.Username, '\\')+1:]
}

// Self returns the JID of this client: the account, or user@host without one.
func (c *Client) Self() jid.JID {
	if c.account != nil {
		return c.account.JID
	}
	return c.self
}

// Account returns the account's JID; ok is false without one.
func (c *Client) Account() (j jid.JID, ok bool) {
	if c.account == nil {
		return jid.JID{}, false
	}
	return c.account.JID, true
}

// Dir returns the folder's path.
func (c *Client) Dir() string { return c.cfg.Dir }

// Fingerprint returns that of the own certificate, as lowercase hex.
func (c *Client) Fingerprint() string { return c.keys.Identity.Fingerprint().String() }

// Login tries the account once, and keeps it if that works.
func (c *Client) Login(ctx context.Context, a *Account) error {
	link, err := dialServer(ctx, a, c.cfg.Log)
	if err != nil {
		return err
	}
	if err := link.Close(); err != nil {
		c.cfg.Log.Debug("closing the link to the server", "err", err)
	}
	if err := a.store(c.folder); err != nil {
		return err
	}
	c.account = a
	return nil
}

// Logout forgets the account. Pairings stay.
func (c *Client) Logout() error {
	c.account = nil
	return c.folder.Remove(accountFile)
}

// Note logs what went wrong where that does no harm.
func (c *Client) Note(doing string, err error) { c.cfg.Log.Debug(doing, "err", err) }
