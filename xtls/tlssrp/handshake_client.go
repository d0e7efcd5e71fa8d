package tlssrp

import (
	"context"
	"errors"
)

func clientHandshake(ctx context.Context, c *Conn) (ConnectionState, error) {
	return ConnectionState{}, errors.New("tlssrp: not yet")
}
