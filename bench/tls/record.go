package tls

import (
	"fmt"
	"strconv"
	"testing"

	"xtls-agent/bench/program"
	"xtls-agent/bench/row"
)

// mebibytes are moved in a turn, half of them each way.
const mebibytes = 64

// A recordReport is what the programs print.
type recordReport struct {
	Library string
	Suite   string
	Records int
	Bytes   int
	CPU     float64 `json:"cpu_ns"`
	Sealed  int
}

// What a record of 16 KiB is on the wire with AES in CBC mode and HMAC-SHA-1: header, IV, data, MAC and padding.
const (
	macThenEncrypt = 5 + 16 + (16384 + 20 + 12)
	encryptThenMAC = 5 + 16 + (16384 + 16) + 20
)

func recordRows() []row.Row {
	const what = "records of 16 KiB, both directions, AES-128-CBC with HMAC-SHA-1, for each second of processor time"
	ours := func(t testing.TB, path string) row.Side { return recordSide(t, "ours", encryptThenMAC, path, "ours") }
	return []row.Row{
		{
			Name: "record/crypto-tls", What: what, Figures: []row.Figure{{Unit: "MB/s", Aim: row.AtLeast(1.3)}}, Pairs: 11,
			Setup: func(t *row.T) (row.Side, row.Side) {
				path := program.Go(t, "xtls-agent/bench/tls/record", program.Build{})
				return ours(t, path), recordSide(t, "crypto/tls", macThenEncrypt, path, "crypto/tls")
			},
		},
		{
			Name: "record/libssl", What: what, Figures: []row.Figure{{Unit: "MB/s", Aim: row.AtLeast(0.8)}}, Pairs: 11,
			Setup: func(t *row.T) (row.Side, row.Side) {
				return ours(t, program.Go(t, "xtls-agent/bench/tls/record", program.Build{})), recordSide(t, "libssl", encryptThenMAC, libssl(t), "record")
			},
		},
	}
}

// recordSide measures by a program that is called with MEBIBYTES after args.
func recordSide(t testing.TB, name string, sealed int, path string, args ...string) row.Side {
	t.Helper()
	if first := recordsOf(t, 1, sealed, path, args...); first.Library != args[0] {
		name += " " + first.Library
	}
	return row.Side{Name: name, Measure: func() row.Sample {
		r := recordsOf(t, mebibytes, sealed, path, args...)
		return row.Sample{
			Values: []float64{float64(r.Bytes) / 1e6 / (r.CPU / 1e9)},
			Work:   row.Work{Count: r.Records, Bytes: r.Bytes, What: "AES-128-CBC, HMAC-SHA-1"},
		}
	}}
}

// recordsOf runs a program, and holds what it tells against the suites.
func recordsOf(t testing.TB, mebibytes, sealed int, path string, args ...string) recordReport {
	t.Helper()
	var r recordReport
	program.Run(t, &r, path, append(args, strconv.Itoa(mebibytes))...)
	if err := r.check(sealed); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return r
}

func (r recordReport) check(sealed int) error {
	switch r.Suite {
	case "TLS_SRP_SHA_WITH_AES_128_CBC_SHA", "SRP-AES-128-CBC-SHA", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA":
	default:
		return fmt.Errorf("suite %s", r.Suite)
	}
	if r.Sealed != sealed {
		return fmt.Errorf("a record of 16 KiB is %d bytes on the wire, %d were expected of %s", r.Sealed, sealed, r.Suite)
	}
	return nil
}
