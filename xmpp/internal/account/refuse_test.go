package account

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"
)

// RFC 5802 §5.1: the server's nonce begins with ours. The libraries that go on look too, each in its own way.
func TestChallengeBeginsWithOurNonce(t *testing.T) {
	for challenge, ok := range map[string]bool{
		"r=oursTheirs,s=c2FsdA==,i=4096":  true,
		"r=ours,s=c2FsdA==,i=4096":        false,
		"r=otherTheirs,s=c2FsdA==,i=4096": false,
		"r=our,s=c2FsdA==,i=4096":         false,
	} {
		if err := CheckChallenge([]byte(challenge), []byte("ours")); (err == nil) != ok {
			t.Errorf("%s: %v", challenge, err)
		}
	}
}

// A server that speaks nothing newer than TLS 1.1 is not spoken to.
func TestOldTLSIsRefused(t *testing.T) {
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	old := tls.Server(there, &tls.Config{
		MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			t.Error("the server got a ClientHello that it can answer")
			return nil, nil
		},
	})
	done := make(chan error, 1)
	go func() { done <- old.Handshake(); _ = there.Close() }()
	err := tls.Client(here, Server{Host: "home.test", Now: time.Now}.TLS(false)).Handshake()
	if err == nil || !strings.Contains(err.Error(), "version") {
		t.Errorf("%v", err)
	}
	if err := <-done; err == nil {
		t.Error("the server was content")
	}
}
