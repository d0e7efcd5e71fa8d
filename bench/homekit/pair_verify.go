package homekit

import (
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
)

// PairVerify proves to a paired accessory who the controller is, and the other way round; the connection is encrypted from then on
// (HAP §5.7).
func (c *Conn) PairVerify(ctx context.Context, me *Controller, a *Accessory) error {
	mine, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("homekit: %w", err)
	}
	m2, err := c.post(ctx, "/pair-verify", 2, tlv8{typeState: {1}, typePublicKey: mine.PublicKey().Bytes()})
	if err != nil {
		return err
	}
	shared, err := agree(mine, m2[typePublicKey])
	if err != nil {
		return err
	}
	if err := c.verify(ctx, me, a, shared, mine.PublicKey().Bytes(), m2); err != nil {
		return err
	}
	return c.verified(shared)
}

// verified takes M4, behind which the connection is encrypted. hap v0.0.35 switches while it answers, so that at times M4 is encrypted too.
func (c *Conn) verified(shared []byte) error {
	const path, plain = "/pair-verify", "HTTP"
	head, err := c.reader.Peek(len(plain))
	if err != nil {
		return fmt.Errorf("homekit: %s: %w", path, err)
	}
	if string(head) != plain {
		if err := c.encrypt(shared); err != nil {
			return err
		}
		_, err := c.state(path, 4)
		return err
	}
	if _, err := c.state(path, 4); err != nil {
		return err
	}
	return c.encrypt(shared)
}

func agree(mine *ecdh.PrivateKey, theirs []byte) ([]byte, error) {
	public, err := ecdh.X25519().NewPublicKey(theirs)
	if err != nil {
		return nil, fmt.Errorf("homekit: %w", err)
	}
	shared, err := mine.ECDH(public)
	if err != nil {
		return nil, fmt.Errorf("homekit: %w", err)
	}
	return shared, nil
}

// verify checks the accessory's signature of M2, and sends the controller's as M3.
func (c *Conn) verify(ctx context.Context, me *Controller, a *Accessory, shared, public []byte, m2 tlv8) error {
	key, err := deriveAEAD(shared, "Pair-Verify-Encrypt-Salt", "Pair-Verify-Encrypt-Info")
	if err != nil {
		return err
	}
	inner, err := openTLV8(key, "PV-Msg02", m2[typeEncryptedData])
	if err != nil {
		return err
	}
	if string(inner[typeIdentifier]) != a.ID || !a.signed(inner[typeSignature], m2[typePublicKey], []byte(a.ID), public) {
		return ErrImpostor
	}
	signature := ed25519.Sign(me.Key, concat(public, []byte(me.ID), m2[typePublicKey]))
	sealed := sealTLV8(key, "PV-Msg03", tlv8{typeIdentifier: []byte(me.ID), typeSignature: signature})
	return c.send(ctx, "POST", "/pair-verify", typePairing, tlv8{typeState: {3}, typeEncryptedData: sealed}.encode())
}
