package owner

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"xtls-agent/trust"
)

// devicesFile is the name under which the trusted devices are stored.
const devicesFile = "devices"

// Keyring is what an owner keeps: the own identity, and the devices that were paired.
type Keyring struct {
	Identity *trust.Identity
	Devices  *trust.Peers
}

// LoadKeyring reads a keyring from store. The first time it makes an identity; name becomes
// its common name.
func LoadKeyring(store trust.Store, name string, now time.Time, rand io.Reader) (*Keyring, error) {
	known := trust.Recall(trust.Keeping{
		Store: store, File: devicesFile, Of: trust.Devices, Name: name, Now: now, Rand: rand,
	})
	if err := cmp.Or(known.IdentityErr, known.PeersErr); err != nil {
		return nil, fmt.Errorf("owner: %w", err)
	}
	return &Keyring{Identity: known.Identity, Devices: known.Peers}, nil
}

// Forget removes the record of a device, at the wish of the person who uses this program.
func (k *Keyring) Forget(d Device) error {
	return k.Devices.Remove(trust.AtTheBox(), d.Key())
}
