package agent

import (
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"mellium.im/xmpp/jid"

	"xtls-agent/hw/button"
	"xtls-agent/hw/display"
	"xtls-agent/hw/output"
)

// The types of this file check a value when it is read: an error of UnmarshalText gets the
// line number from the decoder.

// Checked is a word of the configuration that is checked when it is read. It is a struct because
// the decoder fills what is a string without asking its UnmarshalText.
type Checked[T word] struct{ Word T }

type word interface {
	~string
	check() error
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Checked[T]) UnmarshalText(text []byte) error {
	if err := T(text).check(); err != nil {
		return err
	}
	c.Word = T(text)
	return nil
}

func (c Checked[T]) String() string { return string(c.Word) }

// Name is the device's name as people see it.
type Name string

func (n Name) check() error {
	for _, r := range n {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return errors.New("name holds a character that cannot be shown")
		}
	}
	if len(n) == 0 || len(n) > 64 {
		return errors.New("name must have 1 to 64 bytes")
	}
	return nil
}

// JID is a bare JID with a local part: an account.
type JID struct{ jid.JID }

// IsZero reports whether there is none.
func (j JID) IsZero() bool { return j.Equal(jid.JID{}) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (j *JID) UnmarshalText(text []byte) error {
	parsed, err := jid.Parse(string(text))
	if err != nil {
		return fmt.Errorf("%.100q is no JID: %w", text, err)
	}
	if parsed.Localpart() == "" || parsed.Resourcepart() != "" {
		return fmt.Errorf("%.100q is no account: it must look like box@example.org", text)
	}
	j.JID = parsed
	return nil
}

// Duration is a time span such as "3m".
type Duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v <= 0 {
		return fmt.Errorf("%.100q is no time span: it must look like 3m or 10s", text)
	}
	*d = Duration(v)
	return nil
}

func (d Duration) std() time.Duration { return time.Duration(d) }

// LinkKind selects the link to the server.
type LinkKind string

// The links to a server.
const (
	LinkC2S    LinkKind = "c2s"
	LinkGoXMPP LinkKind = "go-xmpp"
)

func (k LinkKind) check() error {
	if k == LinkGoXMPP {
		return checkGoXMPP()
	}
	return oneOf(k, LinkC2S, LinkGoXMPP)
}

// PairingMode says where the PIN comes from.
type PairingMode string

// The ways to pair a device (jingle-xtls, "Verification of Non-Human Parties").
const (
	ModeTyped   PairingMode = "typed"   // a random PIN that the owner's program shows, typed on a remote control
	ModeDisplay PairingMode = "display" // a random PIN on the display
	ModeFixed   PairingMode = "fixed"   // a label on the device

	modeWeb PairingMode = "web" // a random PIN on a web site; reserved
)

func (m PairingMode) check() error {
	if m == modeWeb {
		return fmt.Errorf("%q is a way to pair that is not built yet: use one of %q", modeWeb, []PairingMode{ModeDisplay, ModeTyped, ModeFixed})
	}
	return oneOf(m, ModeDisplay, ModeTyped, ModeFixed)
}

func oneOf[T ~string](value T, known ...T) error {
	if slices.Contains(known, value) {
		return nil
	}
	return fmt.Errorf("%.100q is unknown: it must be one of %q", value, known)
}

// DisplaySpec names a display; see package hw/display.
type DisplaySpec string

func (s DisplaySpec) check() error { return display.Check(string(s)) }

// OutputSpec names an output; see package hw/output.
type OutputSpec string

func (s OutputSpec) check() error { return output.Check(string(s)) }

// ButtonSpec names a button; see package hw/button.
type ButtonSpec string

func (s ButtonSpec) check() error { return button.Check(string(s)) }
