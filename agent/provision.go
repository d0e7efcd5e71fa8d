package agent

import (
	"context"
	"errors"
	"fmt"

	"mellium.im/xmpp/jid"

	"xtls-agent/control"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
)

// errProvisioned ends a life: the device has another account, and is known by another name.
var errProvisioned = errors.New("agent: an owner has given the device an account")

// errDisowned ends a life: the account of the last owner goes with him.
var errDisowned = errors.New("agent: the device has no owner any more, and forgets the account that it was given")

// Why an account is not taken, besides what a server says.
var (
	errConfigured = errors.New("the account stands in the device's configuration: change it there, or take [xmpp] out of it")
	errTrying     = errors.New("another account is being tried at this moment: try again when that is over")
)

// Provision implements [control.Provisioner]: it logs in with the account once, and keeps it, durably, if that works. The
// device begins anew with it once the answer has left. Until then, and after an error, the account of before is in use.
func (l *life) Provision(ctx context.Context, by control.Actor, a control.Account, as jid.JID) error {
	if l.cfg.XMPP != nil {
		return errConfigured
	}
	key, err := keyOf(by)
	if err != nil {
		return err
	}
	if !l.provisioning.TryLock() {
		return errTrying
	}
	defer l.provisioning.Unlock()
	l.log.Info("trying an account", "account", a.JID.String(), "by", by.String())
	if _, err := tryLogin(ctx, func(ctx context.Context) (xmpp.Link, error) { return l.dial(ctx, accountGiven(a)) }); err != nil {
		l.log.Warn("the account was not taken", "account", a.JID.String(), "err", err)
		return refusal(err)
	}
	if err := ctx.Err(); err != nil { // such as by an owner's removal
		return err
	}
	if !as.Equal(jid.JID{}) {
		if err := l.memory.owners.AddName(key, as, ""); err != nil {
			return fmt.Errorf("the account works, and was not taken: your address cannot be stored: %w", err)
		}
	}
	if err := l.memory.keepAccount(a); err != nil {
		return fmt.Errorf("the account works, and was not taken: it cannot be stored: %w", err)
	}
	l.log.Info("the device has an account", "account", a.JID.String(), "by", by.String())
	l.endAfter(errProvisioned)
	return nil
}

// refusal says to the owner why the account was not taken.
func refusal(err error) error {
	var cert *xmpp.CertificateError
	switch {
	case errors.Is(err, xmpp.ErrNotAuthorized):
		return errors.New("the account was not taken: the server refuses it or its password")
	case errors.As(err, &cert) && cert.ClockUnset:
		return errors.New("the account was not taken: the device's clock is not set yet, so it cannot judge the server's certificate: " +
			"try again later")
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the account was not taken: the device could not log in within %v", loginLimit)
	}
	return fmt.Errorf("the account was not taken: %w", err)
}

// mayProvision reports who may give the device an account: its admin.
func (l *life) mayProvision(a control.Actor) bool {
	f, err := trust.ParseFingerprint(a.Fingerprint)
	return err == nil && !a.Local && l.memory.owners.IsAdmin(f)
}
