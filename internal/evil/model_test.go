package evil

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"mellium.im/xmpp/jid"

	"xtls-agent/trust"
)

// model says who may trust whom: the phones that a person has paired with a device, reading that device's display.
type model map[*phone][]*device

// add notes that a person pairs a phone with a device, with its display before him.
func (may model) add(p *phone, d *device) {
	if !slices.Contains(may[p], d) {
		may[p] = append(may[p], d)
	}
}

// check holds who trusts whom against who may. Devices may trust phones that a person has paired with them, with their own
// certificates; phones likewise. Whoever else is in a record is the attacker's doing.
func check(t testing.TB, may model, devices []*device, phones []*phone) {
	t.Helper()
	if err := may.errors(devices, phones); err != nil {
		t.Fatal(err)
	}
}

func (may model) errors(devices []*device, phones []*phone) (err error) {
	for _, d := range devices {
		for _, r := range d.owners() {
			if !may.owner(d, r) {
				err = errors.Join(err, fmt.Errorf("%s trusts %s with %s (%s), which nobody paired with it", d.full, r.JID, r.Fingerprint, r.State))
			}
		}
		for who, judged := range d.proofs.byPeer() {
			if shown := d.screen.count(); judged > 2*shown && !d.typed { // what is echoed need not stay long enough to be seen
				err = errors.Join(err, fmt.Errorf("%s judged %d PINs of %s and has shown %d: one was judged three times", d.full, judged, who, shown))
			}
		}
	}
	for _, p := range phones {
		for _, r := range p.keys.Devices.All() {
			if !may.device(p, r) {
				err = errors.Join(err, fmt.Errorf("%s trusts %s with %s (%s), which is not the device", p.full, r.JID, r.Fingerprint, r.State))
			}
		}
	}
	return err
}

// owner reports whether d may have this record of an owner.
func (may model) owner(d *device, r trust.Record) bool {
	for p, at := range may {
		if slices.Contains(at, d) && p.is(r) {
			return true
		}
	}
	return false
}

// device reports whether p may have this record of a device.
func (may model) device(p *phone, r trust.Record) bool {
	return slices.ContainsFunc(may[p], func(d *device) bool {
		return r.Fingerprint == d.identity() && r.JID.Equal(jid.MustParse(d.full).Bare())
	})
}

// is reports whether a record means this phone.
func (p *phone) is(r trust.Record) bool {
	return r.Fingerprint == p.keys.Identity.Fingerprint() && r.JID.Equal(jid.MustParse(p.full).Bare())
}
