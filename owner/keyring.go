package owner

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/trust"
	"xtls-agent/xtls"
)

// devicesFile is the name under which the trusted devices are stored.
const devicesFile = "devices"

// Keyring is what an owner keeps: the own identity, and the devices that were paired. As long as it is in memory it also knows with
// which sessions the next ones may be resumed: an Owner on another link goes on with them.
type Keyring struct {
	Identity *trust.Identity
	Devices  *trust.Peers
	tickets  *xtls.Tickets
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
	tickets := new(xtls.Tickets)
	known.Peers.Subscribe(func([]trust.Record) { tickets.Forget() }) // as long as there are peers
	return &Keyring{Identity: known.Identity, Devices: known.Peers, tickets: tickets}, nil
}

// Rename notes that a paired device, with the certificate that it has, goes by another bare JID now, and by name for people. If
// the power goes in the middle, it is known by both.
func (k *Keyring) Rename(d Device, to jid.JID, name string) error {
	if err := k.Devices.AddName(d.Key(), to, name); err != nil {
		return err
	}
	return k.Forget(d)
}

// Forget removes the record of a device, at the wish of the person who uses this program.
func (k *Keyring) Forget(d Device) error {
	return k.Devices.Remove(trust.AtTheBox(), d.Key())
}
