package tls

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"xtls-agent/bench/program"
	"xtls-agent/bench/row"
)

const (
	password = "48151623" // the one that the programs' servers know

	// handshakes are done in a turn.
	handshakes = 20
)

// A handshakeReport is what the programs print.
type handshakeReport struct {
	Library    string
	Suite      string
	Bits       int
	Handshakes int
	CPU        float64 `json:"cpu_ns"`
	ToServer   int     `json:"to_server"`
	ToClient   int     `json:"to_client"`
	Sealed     int
}

// handshakeRow compares handshakes with another library's: client and server, each library with itself.
func handshakeRow(bits int, peer string, aim row.Aim) row.Row {
	return row.Row{
		Name:    fmt.Sprintf("handshake/%d/%s", bits, peer),
		What:    fmt.Sprintf("TLS-SRP handshake, client and server, AES-256, %d bits, processor time", bits),
		Figures: []row.Figure{{Unit: "ms", Aim: aim}},
		Pairs:   11,
		Setup: func(t *row.T) (row.Side, row.Side) {
			other := map[string]func(testing.TB) string{"libssl": libssl, "gnutls": gnutls}[peer](t)
			return handshakeSide(t, bits, "ours", program.Go(t, "xtls-agent/bench/tls/handshake", program.Build{})), handshakeSide(t, bits, peer, other, "handshake")
		},
	}
}

// handshakeSide measures by a program that is called with BITS, COUNT and PASSWORD after args.
func handshakeSide(t testing.TB, bits int, name, path string, args ...string) row.Side {
	t.Helper()
	refusesWrongPassword(t, path, args...)
	first := handshakesOf(t, bits, 1, path, args...)
	if first.Library != "ours" {
		name += " " + first.Library
	}
	return row.Side{Name: name, Measure: func() row.Sample {
		r := handshakesOf(t, bits, handshakes, path, args...)
		return row.Sample{Values: []float64{r.CPU / 1e6 / float64(r.Handshakes)}, Work: r.work()}
	}}
}

// handshakesOf runs a program, and holds what it tells against what a handshake must be.
func handshakesOf(t testing.TB, bits, count int, path string, args ...string) handshakeReport {
	t.Helper()
	var r handshakeReport
	program.Run(t, &r, path, append(args, strconv.Itoa(bits), strconv.Itoa(count), password)...)
	if err := r.check(bits); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return r
}

// refusesWrongPassword fails the row if a program does so too much or too little: a handshake without SRP would be a fast one.
func refusesWrongPassword(t testing.TB, path string, args ...string) {
	t.Helper()
	const exitWrongPassword = 3
	code, said := program.Exit(t, path, append(args, "2048", "1", "48151624")...)
	if code != exitWrongPassword || !strings.Contains(said, "wrong password") {
		t.Fatalf("%s with a wrong password: exit code %d, %q", path, code, said)
	}
}

// check knows what the libraries may do in their ways: they send other extensions, so not all have the same number of bytes.
func (r handshakeReport) check(bits int) error {
	const (
		header, iv, block, mac = 5, 16, 16, 20
		mostOther              = 500 // bytes of all but N, A and B
	)
	switch number := bits / 8; {
	case r.Bits != bits || r.Suite != "SRP-AES-256-CBC-SHA":
		return fmt.Errorf("%s in a group of %d bits", r.Suite, r.Bits)
	case r.Sealed != header+iv+block+mac:
		return fmt.Errorf("one byte is %d on the wire: not AES-256-CBC with HMAC-SHA-1 and Encrypt-then-MAC", r.Sealed)
	case r.ToServer < number || r.ToServer > number+mostOther || r.ToClient < 2*number || r.ToClient > 2*number+mostOther:
		return fmt.Errorf("%d bytes to the server and %d to the client are no handshake of SRP", r.ToServer, r.ToClient)
	}
	return nil
}

// work is what must be alike.
func (r handshakeReport) work() row.Work {
	return row.Work{Count: r.Handshakes, What: fmt.Sprintf("%s, %d bits, one byte as %d", r.Suite, r.Bits, r.Sealed)}
}
