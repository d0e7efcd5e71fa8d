package tlssrp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"time"

	"xtls-agent/xtls/tlssrp"
)

// A device and its owner share a PIN. The device counts each guess before it answers.
func Example() {
	const owner, pin = "alice@home.example", "48151623"
	verifier, err := tlssrp.NewVerifier(nil, nil, owner, pin)
	if err != nil {
		log.Fatal(err)
	}
	device := &tlssrp.Config{
		GetVerifier: func(_ context.Context, hello *tlssrp.ClientHelloInfo) (*tlssrp.Verifier, error) {
			if hello.Username != owner {
				return nil, tlssrp.ErrUnknownUser
			}
			return verifier, nil
		},
		ProofReceived: func(_ context.Context, ok bool) error {
			fmt.Println("device: the PIN is spent, right guess:", ok)
			return nil
		},
	}
	try := func(guess string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		ownersEnd, devicesEnd := net.Pipe()
		done := make(chan error, 1)
		go func() { done <- tlssrp.Server(devicesEnd, device).HandshakeContext(ctx) }()
		err := tlssrp.Client(ownersEnd, &tlssrp.Config{Username: owner, Password: guess}).HandshakeContext(ctx)
		<-done
		return err
	}
	fmt.Println("owner: wrong PIN:", errors.Is(try("00000000"), tlssrp.ErrBadPassword))
	fmt.Println("owner:", try(pin))
	// Output:
	// device: the PIN is spent, right guess: false
	// owner: wrong PIN: true
	// device: the PIN is spent, right guess: true
	// owner: <nil>
}
