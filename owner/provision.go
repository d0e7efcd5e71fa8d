package owner

import (
	"context"
	"errors"
	"fmt"

	"mellium.im/xmpp/jid"

	"xtls-agent/control"
)

// ErrNotOffered: the device lets others give it an account, or nobody.
var ErrNotOffered = errors.New("the device takes no account from this client: " +
	"only its admin, who was the first to pair with it, can give it one")

// RefusedAccountError is why a device has not taken an account: it goes on with the one that it had, if any.
type RefusedAccountError struct{ Reason string }

func (e *RefusedAccountError) Error() string { return e.Reason }

// Provision gives the device its account at a server. The device tries it, and only then keeps it, durably: it goes by
// the account's address soon after. as is this side's own address there, if the device knows it by another one; else zero.
//
// Errors: [ErrNotOffered], a *[RefusedAccountError], a *[FieldError], [ErrOutcomeUnknown].
func (s *Session) Provision(ctx context.Context, a Account, as jid.JID) error {
	if err := a.Check(); err != nil {
		return err
	}
	asked := false
	res, err := s.Call(ctx, control.ProvisionName, func(*Form) (Values, error) {
		asked = true
		return a.Values(as), nil
	})
	var refused *RequestError
	switch {
	case errors.As(err, &refused) && refused.Condition == ItemNotFound:
		return ErrNotOffered
	case err != nil:
		return err
	case res.Failure != "":
		return &RefusedAccountError{res.Failure}
	case !asked:
		return fmt.Errorf("owner: what the device calls %s asks for nothing: its program is another one, or older", control.ProvisionName)
	}
	return nil
}
