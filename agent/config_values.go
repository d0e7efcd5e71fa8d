package agent

import (
	"errors"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"mellium.im/xmpp/jid"

	"xtls-agent/hw/button"
	"xtls-agent/hw/display"
)

// The types of this file check a value when it is read: an error of UnmarshalText gets the
// line number from the decoder.

// Name is the device's name as people see it.
type Name string

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *Name) UnmarshalText(text []byte) error {
	for _, r := range string(text) {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return errors.New("name holds a character that cannot be shown")
		}
	}
	if len(text) == 0 || len(text) > 64 {
		return errors.New("name must have 1 to 64 bytes")
	}
	*n = Name(text)
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
		return fmt.Errorf("%q is no JID: %w", text, err)
	}
	if parsed.Localpart() == "" || parsed.Resourcepart() != "" {
		return fmt.Errorf("%q is no account: it must look like box@example.org", text)
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
		return fmt.Errorf("%q is no time span: it must look like 3m or 10s", text)
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

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *LinkKind) UnmarshalText(text []byte) error {
	return oneOf(k, text, LinkC2S, LinkGoXMPP)
}

// PairingMode says where the PIN comes from.
type PairingMode string

// The ways to pair that this version has.
const (
	ModeDisplay PairingMode = "display" // a random PIN on the display
	ModeFixed   PairingMode = "fixed"   // a label on the device
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *PairingMode) UnmarshalText(text []byte) error {
	return oneOf(m, text, ModeDisplay, ModeFixed)
}

func oneOf[T ~string](field *T, text []byte, values ...T) error {
	for _, v := range values {
		if string(text) == string(v) {
			*field = v
			return nil
		}
	}
	return fmt.Errorf("%q is unknown: it must be one of %q", text, values)
}

// DisplaySpec names a display; see package hw/display.
type DisplaySpec string

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *DisplaySpec) UnmarshalText(text []byte) error {
	*s = DisplaySpec(text)
	return display.Check(string(text))
}

// ButtonSpec names a button; see package hw/button.
type ButtonSpec string

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *ButtonSpec) UnmarshalText(text []byte) error {
	*s = ButtonSpec(text)
	return button.Check(string(text))
}
