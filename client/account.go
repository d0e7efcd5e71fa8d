package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"mellium.im/xmpp/jid"
)

// accountFile is the name under which the account is kept.
const accountFile = "account"

// The links to a server that an account may choose.
const (
	LinkGoXMPP = "go-xmpp" // the default
	LinkC2S    = "c2s"
)

// Account is an account at a server.
type Account struct {
	JID      jid.JID       // bare
	Password func() string // a function, so that nothing prints it
	Server   string        // host:port in place of SRV records; may be empty
	CAFile   string        // PEM; empty: the system's roots
	Link     string        // LinkGoXMPP or LinkC2S
}

// storedAccount is the form on disk.
type storedAccount struct {
	JID      string `json:"jid"`
	Password string `json:"password"`
	Server   string `json:"server,omitempty"`
	CAFile   string `json:"ca_file,omitempty"`
	Link     string `json:"link"`
}

// NewAccount checks what a person typed. A ca_file is kept with its absolute path.
func NewAccount(address, password, server, caFile, link string) (*Account, error) {
	j, err := jid.Parse(address)
	switch {
	case err != nil:
		return nil, usagef("%.100q is no JID: %w: write it like romeo@home.example", address, err)
	case j.Localpart() == "" || j.Resourcepart() != "":
		return nil, usagef("%.100q is no account: write it like romeo@home.example", address)
	case password == "":
		return nil, usagef("the password is empty")
	case link != LinkGoXMPP && link != LinkC2S:
		return nil, usagef("unknown link %q: it must be %s or %s", link, LinkGoXMPP, LinkC2S)
	}
	if server != "" {
		if err := checkHostPort(server); err != nil {
			return nil, err
		}
	}
	if caFile != "" {
		if caFile, err = filepath.Abs(caFile); err != nil {
			return nil, fmt.Errorf("client: %w", err)
		}
	}
	a := &Account{JID: j, Password: func() string { return password }, Server: server, CAFile: caFile, Link: link}
	if _, err := a.roots(); err != nil {
		return nil, err
	}
	return a, nil
}

func checkHostPort(server string) error {
	host, port, err := net.SplitHostPort(server)
	if err == nil && host != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err == nil && n > 0 {
			return nil
		}
	}
	return usagef("%.100q is no server: write it like xmpp.home.example:5222", server)
}

// loadAccount returns nil if there is none.
func loadAccount(f *folder) (*Account, error) {
	data, err := f.Read(accountFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("client: reading the account: %w", err)
	}
	var s storedAccount
	if err := json.Unmarshal(data, &s); err != nil { // its text could quote the password
		return nil, errors.New("client: the stored account cannot be read: log in again")
	}
	j, err := jid.Parse(s.JID)
	if err != nil {
		return nil, fmt.Errorf("client: the stored account: %w: log in again", err)
	}
	return &Account{JID: j, Password: func() string { return s.Password }, Server: s.Server, CAFile: s.CAFile, Link: s.Link}, nil
}

func (a *Account) store(f *folder) error {
	data, err := json.Marshal(storedAccount{a.JID.String(), a.Password(), a.Server, a.CAFile, a.Link})
	if err != nil {
		return errors.New("client: the account cannot be stored")
	}
	if err := f.Write(accountFile, data); err != nil {
		return fmt.Errorf("client: storing the account: %w", err)
	}
	return nil
}

// readPEM is os.ReadFile with a bound.
func readPEM(path string) ([]byte, error) {
	const most = 1 << 20
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > most || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file of certificates", path)
	}
	return os.ReadFile(path)
}
