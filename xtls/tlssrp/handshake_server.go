package tlssrp

import (
	"context"
	"errors"
)

func serverHandshake(ctx context.Context, c *Conn) (ConnectionState, error) {
	return ConnectionState{}, errors.New("tlssrp: not yet")
}
