package owner

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/pairing"
	"xtls-agent/trust"
	"xtls-agent/xtls"
)

// Step is a stage of pairing, for a person to watch.
type Step string

// The steps of pairing, in order.
const (
	StepFind     Step = "looking for the device"
	StepFound    Step = "the device answers"
	StepType     Step = "waiting for the PIN to be typed on the device" // only where it is typed there
	StepProve    Step = "proving the PIN (TLS-SRP)"
	StepExchange Step = "exchanging certificates"
	StepConfirm  Step = "opening a session with the certificates (mutual TLS 1.3)"
)

// Request says whom to pair with, and how to ask the person.
type Request struct {
	Device jid.JID // bare or full; zero on a direct link
	Name   string  // how the person calls the device; may be empty
	// PIN asks for the PIN on the device's display. It is called once, when the device has agreed to
	// pair. A PIN is never used twice.
	PIN func(context.Context) (pairing.PIN, error)
	// Show is called in the place of PIN, if the device has said that the PIN is typed on it: it shows the person a new PIN, and
	// returns without waiting for him. Nobody has proven that the device has said so; at worst a person is shown a PIN for nothing.
	// Nil: such a device is told that this side gives up, and Pair returns ErrCannotShow.
	Show func(context.Context, pairing.PIN) error
	// Progress hears of each step; may be nil.
	Progress func(Step)
	Now      func() time.Time // nil: time.Now
}

// Pairing is a pairing that has come about, with the first session on it still open.
type Pairing struct {
	Session *Session
	// Code is the six digits that both programs show.
	Code string
}

// Pair pairs with a device: it proves the PIN, exchanges certificates, and opens the first
// session with them. Only the answer to a request over that session is success. A step that
// failed is not tried again: a PIN is good for one try.
func (o *Owner) Pair(ctx context.Context, r Request) (*Pairing, error) {
	progress := r.Progress
	if progress == nil {
		progress = func(Step) {}
	}
	progress(StepFind)
	full, err := o.Find(ctx, r.Device)
	if errors.Is(err, ErrUnreachable) { // it shows itself to strangers only then
		return nil, fmt.Errorf("%w if it is, press its button: it must be in pairing mode", err)
	}
	if err != nil {
		return nil, err
	}
	progress(StepFound)
	if err := o.enrol(ctx, full, r, progress); err != nil {
		return nil, err
	}
	progress(StepConfirm)
	s, err := o.open(ctx, full)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnconfirmed, err)
	}
	o.publish(ctx)
	code := trust.ComparisonCode(o.keys.Identity.Fingerprint(), s.device.Fingerprint)
	return &Pairing{Session: s, Code: code}, nil
}

// enrol runs the SRP session and the exchange of certificates on it.
func (o *Owner) enrol(ctx context.Context, full jid.JID, r Request, progress func(Step)) error {
	conn, err := o.xtls.OpenSRP(ctx, full, o.pin(r, progress))
	if err != nil {
		return o.refused(ctx, full, err)
	}
	progress(StepExchange)
	link, err := o.stream(ctx, conn)
	if err != nil {
		return err
	}
	now := time.Now
	if r.Now != nil {
		now = r.Now
	}
	return pairing.AdoptDevice(ctx, link, o.keys.Identity.DER(), func(cert *x509.Certificate) error {
		return o.keys.Devices.AddProvisional(trust.Record{
			JID: full.Bare(), DER: cert.Raw, Name: r.Name, Created: now(), Link: o.linkKind(),
		})
	})
}

// pin is where the PIN of a request comes from: from the person, or from here.
func (o *Owner) pin(r Request, progress func(Step)) xtls.PIN {
	from := xtls.PIN{
		Ask: func(ctx context.Context) (string, error) {
			pin, err := r.PIN(ctx)
			if err == nil {
				progress(StepProve)
			}
			return pin.Digits(), err
		},
		Typed: func() { progress(StepProve) },
	}
	if r.Show != nil {
		from.Show = func(ctx context.Context) (string, error) {
			pin, err := pairing.NewPIN(o.rand)
			if err != nil {
				return "", err
			}
			if err := r.Show(ctx, pin); err != nil {
				return "", err
			}
			progress(StepType)
			return pin.Digits(), nil
		}
	}
	return from
}

// publishTimeout bounds the publishing of the certificate, which nobody depends on.
const publishTimeout = 10 * time.Second

// publish puts the own certificate on the account's node, where there is an account.
func (o *Owner) publish(ctx context.Context) {
	if o.direct() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	if _, err := pairing.Publish(ctx, o.session, o.keys.Identity.DER()); err != nil {
		o.log.Info("the certificate was not published", "err", err)
	}
}
