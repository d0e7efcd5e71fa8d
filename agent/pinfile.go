package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"xtls-agent/pairing"
)

// writePIN writes the PIN's file, for whoever reads it. One that is there stays, unless another PIN is wanted.
func writePIN(path string, pin pairing.PIN, replace bool, reader *FileOwner) error {
	if err := replacePrivate(path, []byte(pin.Grouped()+"\n"), replace, reader); err != nil {
		return fmt.Errorf("writing the fixed PIN: %w (see pin_file)", err)
	}
	return nil
}

// replacePrivate writes a file of mode 0600, whole or not at all, and syncs it. Without replace one that is there is an
// [fs.ErrExist].
func replacePrivate(path string, data []byte, replace bool, whose *FileOwner) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // of mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeIfThere(f.Name())) }()
	_, err = f.Write(data)
	if err := errors.Join(err, whose.Give(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	put := os.Link // fails where there is one
	if replace {
		put = os.Rename
	}
	if err := put(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// fixedPIN reads the PIN of a device with a label.
func (c PairingConfig) fixedPIN() (pairing.PIN, error) {
	info, err := os.Stat(c.PINFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return pairing.PIN{}, fmt.Errorf("reading the fixed PIN: %w (xtls-agent make-label makes one)", err)
	case err != nil:
		return pairing.PIN{}, fmt.Errorf("reading the fixed PIN: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return pairing.PIN{}, fmt.Errorf("%s holds the PIN and must be readable by its owner only: chmod 600 it", c.PINFile)
	}
	data, err := os.ReadFile(c.PINFile)
	if err != nil {
		return pairing.PIN{}, fmt.Errorf("reading the fixed PIN: %w", err)
	}
	pin, err := pairing.ParsePIN(strings.TrimSpace(string(data)))
	if err != nil {
		return pairing.PIN{}, fmt.Errorf("%s: %w", c.PINFile, err)
	}
	if pin.Trivial() {
		return pairing.PIN{}, fmt.Errorf("%s holds a PIN that somebody would guess first: draw another with xtls-agent make-label --force",
			c.PINFile)
	}
	return pin, nil
}
