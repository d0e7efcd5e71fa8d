package client

import (
	"fmt"
	"slices"
	"strings"

	"mellium.im/xmpp/jid"

	"xtls-agent/owner"
	"xtls-agent/xmpp/lan"
)

// Target is the device that a person means.
type Target struct {
	Text string    // as the person wrote it, without a PIN
	Addr string    // on the LAN, host:port, if that is what was given
	JID  jid.JID   // zero if only an address is known
	PIN  owner.PIN // of a URI; else zero
}

// Target reads DEVICE: a name given at pairing, a JID, lan:HOST[:PORT], or the URI of a
// device's QR code. The device's own name, the first half of its JID, serves too if only one has it.
//
// A name that nobody has is an [ErrUnknownName]; what cannot be meant at all a *[UsageError].
func (c *Client) Target(text string) (Target, error) {
	switch {
	case strings.HasPrefix(strings.ToLower(text), "xmpp:"):
		return uriTarget(text)
	case strings.HasPrefix(text, lan.Scheme):
		addr, err := lan.ParseTarget(text)
		if err != nil {
			return Target{}, &UsageError{err}
		}
		return Target{Text: text, Addr: addr}, nil
	}
	if j, found, err := c.named(text); found || err != nil {
		return Target{Text: text, JID: j}, err
	}
	if !strings.Contains(text, "@") {
		return Target{}, fmt.Errorf("%w: %.100q: see xtlsctl devices, or give its JID or lan:HOST", ErrUnknownName, text)
	}
	j, err := jid.Parse(text)
	if err != nil {
		return Target{}, usagef("%.100q is no JID: %w: write it like box@home.example", text, err)
	}
	if j.Localpart() == "" {
		return Target{}, usagef("%.100q is no JID of a device: write it like box@home.example", text)
	}
	return Target{Text: text, JID: j}, nil
}

func uriTarget(text string) (Target, error) {
	bare, pin, err := owner.ParseURI(text)
	if err != nil {
		return Target{}, &UsageError{err}
	}
	j, err := jid.Parse(bare)
	if err != nil {
		return Target{}, &UsageError{err}
	}
	return Target{Text: bare, JID: j, PIN: pin}, nil
}

// named finds a device by the name that the person gave it, else by its own.
func (c *Client) named(name string) (j jid.JID, found bool, err error) {
	var own []jid.JID
	for _, d := range c.keys.Devices.All() {
		switch {
		case name != "" && d.Name == name:
			return d.JID, true, nil
		case strings.EqualFold(lan.Name(d.JID), name) && !slices.ContainsFunc(own, d.JID.Equal):
			own = append(own, d.JID)
		}
	}
	if len(own) > 1 {
		return jid.JID{}, false, usagef("%.100q may be %s or %s: give the JID", name, own[0], own[1])
	}
	if len(own) == 1 {
		return own[0], true, nil
	}
	return jid.JID{}, false, nil
}

// checkName says whether a device may be called so.
func checkName(name string) error {
	switch {
	case name == "":
		return nil
	case len(name) > 64 || owner.CleanName(name) != name:
		return usagef("%.100q is no name: use up to 64 characters in one line", name)
	case strings.ContainsAny(name, "@/") || strings.HasPrefix(name, lan.Scheme) || strings.HasPrefix(name, "-"):
		return usagef("%.100q is no name: it could be taken for an address", name)
	}
	return nil
}

// checkFree says whether no other device than the one at j is called so.
func (c *Client) checkFree(name string, j jid.JID) error {
	for _, d := range c.keys.Devices.All() {
		if name != "" && d.Name == name && !d.JID.Equal(j) {
			return usagef("%s is called %q already: choose another name", d.JID, name)
		}
	}
	return nil
}
