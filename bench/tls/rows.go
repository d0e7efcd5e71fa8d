// Package tls has the rows about TLS: handshakes of TLS-SRP, and the protection of records.
//
// All of it happens in memory, with client and server in one process, and is measured in time of processors and not of clocks: what
// others do on a shared machine counts little then. Every side is a small program of ours on the library in question, built by the row.
package tls

import (
	_ "embed"
	"slices"
	"testing"

	"xtls-agent/bench/program"
	"xtls-agent/bench/row"
)

//go:embed c/libssl.c
var libsslSource string

//go:embed c/gnutls.c
var gnutlsSource string

// Rows returns the rows of this package.
func Rows() []row.Row {
	return slices.Concat(
		[]row.Row{
			handshakeRow(2048, "libssl", row.AtMost(1)),
			handshakeRow(2048, "gnutls", row.AtMost(0.2)),
			handshakeRow(3072, "libssl", row.AtMost(1)),
			handshakeRow(3072, "gnutls", row.AtMost(0.2)),
			armRow(2048),
			armRow(3072),
		},
		recordRows(),
	)
}

func libssl(t testing.TB) string {
	t.Helper()
	return program.C(t, "libssl", libsslSource, "-lssl", "-lcrypto")
}

func gnutls(t testing.TB) string {
	t.Helper()
	return program.C(t, "gnutls", gnutlsSource, "-lgnutls")
}
