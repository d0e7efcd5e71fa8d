package homekit

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"errors"
)

// ErrCode says that the accessory did not take the setup code.
var ErrCode = errors.New("homekit: wrong setup code")

// ErrImpostor says that the accessory could not show that it knows the setup code, or holds the key that it names.
var ErrImpostor = errors.New("homekit: the accessory does not prove who it is")

// PairSetup pairs with an accessory that shows a setup code (HAP §5.6). code is asked once the accessory has agreed, as the specification
// has it; the caller stores what it returns.
func (c *Conn) PairSetup(ctx context.Context, me *Controller, code func() string) (*Accessory, error) {
	srp, err := newSRPClient()
	if err != nil {
		return nil, err
	}
	if err := c.startAndProve(ctx, srp, code); err != nil {
		return nil, err
	}
	return c.exchange(ctx, me, srp.key)
}

// startAndProve is M1 to M4: both show that they know the code.
func (c *Conn) startAndProve(ctx context.Context, srp *srpClient, code func() string) error {
	m2, err := c.post(ctx, "/pair-setup", 2, tlv8{typeState: {1}, typeMethod: {0}})
	if err != nil {
		return err
	}
	if err := srp.prove(m2[typeSalt], m2[typePublicKey], code()); err != nil {
		return err
	}
	m4, err := c.post(ctx, "/pair-setup", 4, tlv8{typeState: {3}, typePublicKey: srp.A.Bytes(), typeProof: srp.proof})
	var refused *Error
	if errors.As(err, &refused) {
		return errors.Join(ErrCode, err)
	}
	if err != nil {
		return err
	}
	if !hmac.Equal(m4[typeProof], srp.serverProof()) {
		return ErrImpostor
	}
	return nil
}

// exchange is M5 and M6: each gives the other its long-term key, over the key that the code has made.
func (c *Conn) exchange(ctx context.Context, me *Controller, shared []byte) (*Accessory, error) {
	key, err := deriveAEAD(shared, "Pair-Setup-Encrypt-Salt", "Pair-Setup-Encrypt-Info")
	if err != nil {
		return nil, err
	}
	x, err := derive(shared, "Pair-Setup-Controller-Sign-Salt", "Pair-Setup-Controller-Sign-Info")
	if err != nil {
		return nil, err
	}
	signature := ed25519.Sign(me.Key, concat(x, []byte(me.ID), me.public()))
	sealed := sealTLV8(key, "PS-Msg05", tlv8{typeIdentifier: []byte(me.ID), typePublicKey: me.public(), typeSignature: signature})
	m6, err := c.post(ctx, "/pair-setup", 6, tlv8{typeState: {5}, typeEncryptedData: sealed})
	if err != nil {
		return nil, err
	}
	inner, err := openTLV8(key, "PS-Msg06", m6[typeEncryptedData])
	if err != nil {
		return nil, err
	}
	if x, err = derive(shared, "Pair-Setup-Accessory-Sign-Salt", "Pair-Setup-Accessory-Sign-Info"); err != nil {
		return nil, err
	}
	a := &Accessory{ID: string(inner[typeIdentifier]), Key: inner[typePublicKey]}
	if !a.signed(inner[typeSignature], x, []byte(a.ID), a.Key) {
		return nil, ErrImpostor
	}
	return a, nil
}
