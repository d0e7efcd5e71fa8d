package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"xtls-agent/pairing"
	"xtls-agent/xtls/tlssrp"
)

func operations() map[string]func(input) error {
	return map[string]func(input) error{"exchange": exchange, "pair": pair}
}

// pair is a pairing as memcheck is to see it: PIN, randomness and all that comes of them is secret until it is on the wire.
func pair(in input) error {
	if !watched() {
		return errors.New("valgrind does not run this")
	}
	if err := comparePINs(in); err != nil {
		return err
	}
	return handshake(in)
}

// secretChance marks what is drawn as secret.
type secretChance struct{ io.Reader }

func (r secretChance) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	secret(b[:n])
	return n, err
}

// A wire is one end of a connection. What goes over it everybody may see.
type wire struct{ net.Conn }

func (w wire) Write(b []byte) (int, error) {
	public(b)
	return w.Conn.Write(b)
}

func (in input) secretPIN() string {
	b := []byte(in.pin)
	secret(b)
	return string(b)
}

// handshake makes a verifier of the PIN, as a device does, connects a client to it and sends a line there and back.
func handshake(in input) error {
	group, err := groupOf(in.group)
	if err != nil {
		return err
	}
	clientEnd, serverEnd := net.Pipe()
	client := tlssrp.Client(wire{clientEnd}, &tlssrp.Config{
		Rand: secretChance{in.chance("client")}, Username: username, Password: in.secretPIN(),
	})
	server := tlssrp.Server(wire{serverEnd}, &tlssrp.Config{
		Rand: secretChance{in.chance("server")},
		GetVerifier: func(context.Context, *tlssrp.ClientHelloInfo) (*tlssrp.Verifier, error) {
			return tlssrp.NewVerifier(group, in.chance("salt"), username, in.secretPIN())
		},
	})
	echoed := make(chan error, 1)
	go func() { echoed <- echo(server) }()
	err = errors.Join(ask(client), <-echoed)
	return errors.Join(err, clientEnd.Close(), serverEnd.Close())
}

const line = "the lamp is on\n"

func ask(c net.Conn) error {
	if _, err := io.WriteString(c, line); err != nil {
		return err
	}
	answer := make([]byte, len(line))
	if _, err := io.ReadFull(c, answer); err != nil {
		return err
	}
	if public(answer); string(answer) != line {
		return fmt.Errorf("%q came back", answer)
	}
	return nil
}

func echo(c net.Conn) error {
	b := make([]byte, len(line))
	if _, err := io.ReadFull(c, b); err != nil {
		return err
	}
	_, err := c.Write(b)
	return err
}

// comparePINs draws two PINs and compares them.
func comparePINs(in input) error {
	random := secretChance{in.chance("PIN")}
	p, err := pairing.NewPIN(random)
	if err != nil {
		return err
	}
	q, err := pairing.NewPIN(random)
	if err != nil {
		return err
	}
	same := make([]byte, 1)
	if p.Equal(q) {
		same[0] = 1
	}
	fmt.Println("the same PIN:", same[0] == 1)
	return nil
}
