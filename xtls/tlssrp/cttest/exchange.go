package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"

	"xtls-agent/xtls/tlssrp/internal/srp"
)

const (
	username = "owner@home.example"
	salt     = "sixteen of salt!"
)

// groupOf returns a group by its name. "short" is none of RFC 5054: its 512 bits are computed with as 3072 are, by the same loops, in a
// small part of the time.
func groupOf(name string) (*srp.Group, error) {
	switch name {
	case "2048":
		return srp.Group2048(), nil
	case "3072":
		return srp.Group3072(), nil
	case "4096":
		return srp.Group4096(), nil
	case "short":
		return srp.NewGroup(append(bytes.Repeat([]byte{0xff}, 63), 0x13), []byte{5})
	}
	return nil, fmt.Errorf("no group %q", name)
}

// chance is what somebody draws, by the seed.
func (in input) chance(whose string) io.Reader {
	var key [32]byte
	copy(key[:], fmt.Sprintf("%d %s", in.seed, whose))
	return rand.NewChaCha8(key)
}

// exchange is the arithmetic of both sides without TLS, on one goroutine, which makes the same log each time. It prints how long A, B and S
// are without leading zeros, and S.
func exchange(in input) error {
	group, err := groupOf(in.group)
	if err != nil {
		return err
	}
	v, err := srp.Verifier(group, []byte(salt), username, in.pin)
	if err != nil {
		return err
	}
	server, err := srp.NewServer(group, v, in.chance("server"))
	if err != nil {
		return err
	}
	client, err := srp.NewClient(group, in.chance("client"))
	if err != nil {
		return err
	}
	atServer, err := server.Premaster(client.Public())
	if err != nil {
		return err
	}
	atClient, err := client.Premaster([]byte(salt), server.Public(), username, in.pin)
	if err != nil {
		return err
	}
	if !bytes.Equal(atClient, atServer) {
		return errors.New("the two sides do not agree")
	}
	fmt.Println(len(client.Public()), len(server.Public()), len(atServer), hex.EncodeToString(atServer))
	return nil
}
