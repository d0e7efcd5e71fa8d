package homekit

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// A Controller is who pairs with accessories.
type Controller struct {
	ID  string
	Key ed25519.PrivateKey
}

// NewController returns one that has never been there.
func NewController(id string) (*Controller, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("homekit: %w", err)
	}
	return &Controller{ID: id, Key: key}, nil
}

func (c *Controller) public() []byte { return c.Key.Public().(ed25519.PublicKey) }

// An Accessory is what a controller knows of an accessory that it has paired with.
type Accessory struct {
	ID  string
	Key ed25519.PublicKey
}

// signed reports whether the accessory has signed the parts.
func (a *Accessory) signed(signature []byte, parts ...[]byte) bool {
	return len(a.Key) == ed25519.PublicKeySize && ed25519.Verify(a.Key, concat(parts...), signature)
}

func concat(parts ...[]byte) []byte { return slices.Concat(parts...) }

// Store writes the record into a folder, durably.
func (a *Accessory) Store(dir string) (err error) {
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "accessory.json")
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// Load reads what Store has written.
func Load(dir string) (*Accessory, error) {
	text, err := os.ReadFile(filepath.Join(dir, "accessory.json"))
	if err != nil {
		return nil, err
	}
	a := new(Accessory)
	return a, json.Unmarshal(text, a)
}
