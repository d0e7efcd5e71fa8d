package agent

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"mellium.im/xmpp/jid"

	"xtls-agent/hw/display"
	"xtls-agent/pairing"
	"xtls-agent/xmpp/lan"
)

// LabelRequest says which label is made for a device in mode "fixed".
type LabelRequest struct {
	Out    string    // a folder that is there, or how the files' names begin
	JID    JID       // the device's; zero: that of its configuration, else name@host of this machine
	Reader string    // the user who reads the PIN's file, if there is one of that name and root draws it: the service's
	NewPIN bool      // draw another PIN in the place of the one that there is
	Rand   io.Reader // where a PIN is drawn from
}

// MadeLabel is what came of it. Both files hold the PIN, and are their owner's alone (0600).
type MadeLabel struct {
	JID      string `json:"jid"`
	PNG      string `json:"png"`
	PDF      string `json:"pdf"`
	PINFile  string `json:"pin_file"`
	PINDrawn bool   `json:"pin_drawn"` // else it was there
}

// ErrNoLabel is for a device that needs none.
var ErrNoLabel = errors.New(`labels are for devices whose PIN stays the same: write mode = "fixed" and pin_file into [pairing]`)

// MakeLabel draws a device's PIN, if it has none, and its label as a picture and as a page. The PIN lies in its file
// before there is a label with it.
func MakeLabel(cfg *Config, r LabelRequest) (*MadeLabel, error) {
	if cfg.Pairing.Mode.Word != ModeFixed {
		return nil, ErrNoLabel
	}
	address, err := cfg.labelAddress(r.JID)
	if err != nil {
		return nil, err
	}
	made := &MadeLabel{JID: address.String(), PINFile: cfg.Pairing.PINFile}
	made.PNG, made.PDF = labelFiles(r.Out)
	pin, err := cfg.Pairing.fixedPIN()
	if r.NewPIN || errors.Is(err, fs.ErrNotExist) {
		made.PINDrawn = true
		pin, err = pairing.NewPIN(r.Rand)
	}
	if err != nil {
		return nil, err
	}
	files, err := drawLabel(cfg.Name.String(), made, pin)
	if err != nil {
		return nil, err
	}
	if made.PINDrawn {
		if err := writePIN(made.PINFile, pin, r.NewPIN, OwnerOf(r.Reader)); err != nil {
			return nil, err
		}
	}
	for path, data := range files {
		if err := replacePrivate(path, data, true, nil); err != nil {
			return nil, fmt.Errorf("writing the label: %w", err)
		}
	}
	return made, nil
}

// labelAddress is what the device is called where it is going to be found.
func (c *Config) labelAddress(given JID) (jid.JID, error) {
	switch {
	case !given.IsZero():
		return given.JID, nil
	case c.XMPP != nil:
		return c.XMPP.JID.JID, nil
	}
	return lan.LocalJID(c.Name.String())
}

// labelFiles names the two files.
func labelFiles(out string) (png, pdf string) {
	if info, err := os.Stat(out); err == nil && info.IsDir() {
		out = filepath.Join(out, "label")
	}
	return out + ".png", out + ".pdf"
}

// drawLabel returns the files' contents.
func drawLabel(name string, made *MadeLabel, pin pairing.PIN) (map[string][]byte, error) {
	uri, err := pairing.FormatURI(made.JID, pin)
	if err != nil {
		return nil, err
	}
	l := display.Label{Name: name, Address: made.JID, PIN: pin.Digits(), URI: uri}
	png, err := l.PNG()
	if err != nil {
		return nil, err
	}
	pdf, err := l.PDF()
	return map[string][]byte{made.PNG: png, made.PDF: pdf}, err
}
