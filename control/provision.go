package control

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"net"
	"strconv"
	"strings"
	"time"
	"unicode"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp/form"
)

// Account is an account at a server, for the device to log in to.
type Account struct {
	JID      jid.JID       // bare
	Password func() string // a function, so that nothing prints it
	Server   string        // host:port in place of SRV records; may be empty
	CA       string        // PEM; empty: the system's roots
}

// Provisioner gives the device its account. It tries the account first; after an error nothing has changed. as, if it is
// not zero, is who the actor is at a server: a claim.
type Provisioner interface {
	Provision(ctx context.Context, by Actor, a Account, as jid.JID) error
}

// ProvisionName is the name of the command "provision".
const ProvisionName = "provision"

// The fields of "provision".
const (
	fieldJID      = "jid"
	fieldPassword = "password"
	fieldServer   = "server"
	fieldCA       = "ca"
	fieldAs       = "as"
)

// provisionTimeout bounds a login of the device's, which has a limit of its own, and the storing.
const provisionTimeout = 2 * time.Minute

// ProvisionCommand is the built-in command "provision", for those whom may names.
func ProvisionCommand(p Provisioner, may func(Actor) bool) Command {
	return Command{
		Name: ProvisionName, Title: "Give the device its account at a server", Timeout: provisionTimeout, Offered: may,
		Fields: []form.Field{
			{
				Var: fieldJID, Type: form.JIDSingle, Required: true,
				Label: "The device's account", Desc: "A bare address of its own, like box@example.org.",
			},
			{Var: fieldPassword, Type: form.TextPrivate, Required: true, Label: "Its password"},
			{Var: fieldServer, Type: form.TextSingle, Label: "Server, host:port", Desc: "In place of the domain's DNS records."},
			{Var: fieldCA, Type: form.TextMulti, Label: "CA of the server's certificate, PEM", Desc: "In place of the device's own list."},
			{Var: fieldAs, Type: form.JIDSingle, Label: "Your own address at a server", Desc: "If the device knows you by another one."},
		},
		Run: func(ctx context.Context, c Call) (Result, error) {
			a, as, err := parseAccount(c.Values)
			if err != nil {
				return Result{}, err
			}
			if err := p.Provision(ctx, c.Actor, a, as); err != nil {
				return Result{}, err
			}
			return Result{Output: "the account works: from now on the device logs in as " + a.JID.String()}, nil
		},
	}
}

// Values fills the form of "provision".
func (a Account) Values(as jid.JID) form.Values {
	v := form.Values{fieldJID: {a.JID.String()}, fieldPassword: {a.Password()}}
	if a.Server != "" {
		v[fieldServer] = []string{a.Server}
	}
	if a.CA != "" {
		v[fieldCA] = strings.Split(strings.TrimRight(strings.ReplaceAll(a.CA, "\r\n", "\n"), "\n"), "\n")
	}
	if !as.Equal(jid.JID{}) {
		v[fieldAs] = []string{as.String()}
	}
	return v
}

// parseAccount reads the values of "provision". All of it is bad until it has passed here.
func parseAccount(v form.Values) (a Account, as jid.JID, err error) {
	if a.JID, err = accountJID(v, fieldJID); err != nil {
		return Account{}, jid.JID{}, err
	}
	if v.Get(fieldAs) != "" {
		if as, err = accountJID(v, fieldAs); err != nil {
			return Account{}, jid.JID{}, err
		}
	}
	password := v.Get(fieldPassword)
	a.Password, a.Server = func() string { return password }, v.Get(fieldServer)
	if lines := v[fieldCA]; len(lines) > 0 {
		a.CA = strings.Join(lines, "\n") + "\n"
	}
	return a, as, a.Check()
}

func accountJID(v form.Values, field string) (jid.JID, error) {
	j, err := jid.Parse(v.Get(field))
	if err != nil || j.Localpart() == "" || j.Resourcepart() != "" {
		return jid.JID{}, &form.FieldError{Field: field, Reason: "must be an address like box@example.org"}
	}
	return j, nil
}

// maxAccountPassword bounds a password, in bytes.
const maxAccountPassword = 1024

// Check says what is wrong with an account, before anybody tries it. The error is a *[form.FieldError], and quotes nothing.
func (a Account) Check() error {
	wrong := func(field, reason string) error { return &form.FieldError{Field: field, Reason: reason} }
	password := a.Password()
	switch {
	case a.JID.Localpart() == "" || a.JID.Resourcepart() != "":
		return wrong(fieldJID, "must be an address like box@example.org")
	case password == "" || len(password) > maxAccountPassword || strings.ContainsFunc(password, unicode.IsControl):
		return wrong(fieldPassword, "must have 1 to "+strconv.Itoa(maxAccountPassword)+" bytes, and no control characters")
	case a.Server != "" && !isHostPort(a.Server):
		return wrong(fieldServer, "must be like xmpp.example.org:5222")
	}
	if _, err := a.Roots(); err != nil {
		return err
	}
	return nil
}

// maxHost is the length of a name in the DNS.
const maxHost = 253

func isHostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	n, errPort := strconv.ParseUint(port, 10, 16)
	return err == nil && errPort == nil && n > 0 && host != "" && len(host) <= maxHost &&
		strings.Trim(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:%") == ""
}

// Bounds of the CA's certificates: of their text, and of their number. A form takes no more lines.
const (
	maxCA      = 16 << 10
	maxCALines = 256
	maxRoots   = 16
)

// Roots returns the CAs for the server; nil means the system's. Its error is a *[form.FieldError].
func (a Account) Roots() (*x509.CertPool, error) {
	if a.CA == "" {
		return nil, nil
	}
	wrong := &form.FieldError{Field: fieldCA, Reason: "must hold certificates in PEM: 16, and 256 lines, at most"}
	if len(a.CA) > maxCA || strings.Count(a.CA, "\n") > maxCALines {
		return nil, wrong
	}
	pool, rest := x509.NewCertPool(), []byte(a.CA)
	for n := 0; len(bytes.TrimSpace(rest)) > 0; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || block.Type != "CERTIFICATE" || n == maxRoots {
			return nil, wrong
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, wrong
		}
		pool.AddCert(cert)
	}
	return pool, nil
}
