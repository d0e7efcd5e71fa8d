package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"time"

	"xtls-agent/xtls/tlssrp"
)

// ours connects by TLS_SRP_SHA_WITH_AES_128_CBC_SHA, with Encrypt-then-MAC.
func ours(clientsEnd, serversEnd net.Conn) (*session, error) {
	const user, password = "alice@home.example", "48151623"
	verifier, err := tlssrp.NewVerifier(tlssrp.Group2048(), nil, user, password)
	if err != nil {
		return nil, err
	}
	suites := []uint16{tlssrp.TLS_SRP_SHA_WITH_AES_128_CBC_SHA}
	client := tlssrp.Client(clientsEnd, &tlssrp.Config{CipherSuites: suites, Username: user, Password: password})
	server := tlssrp.Server(serversEnd, &tlssrp.Config{
		CipherSuites: suites,
		GetVerifier:  func(context.Context, *tlssrp.ClientHelloInfo) (*tlssrp.Verifier, error) { return verifier, nil },
	})
	if err := handshake(client, server); err != nil {
		return nil, err
	}
	if suite := client.ConnectionState().CipherSuite; suite != suites[0] {
		return nil, fmt.Errorf("suite 0x%04X", suite)
	}
	return &session{"TLS_SRP_SHA_WITH_AES_128_CBC_SHA", client, server}, nil
}

// cryptoTLS connects by TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA. It has no Encrypt-then-MAC.
func cryptoTLS(clientsEnd, serversEnd net.Conn) (*session, error) {
	cert, err := certificate()
	if err != nil {
		return nil, err
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{cert}, InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12,
		CipherSuites:                []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA},
		DynamicRecordSizingDisabled: true, // else the first records are small
	}
	client, server := tls.Client(clientsEnd, config), tls.Server(serversEnd, config)
	if err := handshake(client, server); err != nil {
		return nil, err
	}
	state := client.ConnectionState()
	if state.Version != tls.VersionTLS12 || state.CipherSuite != config.CipherSuites[0] {
		return nil, fmt.Errorf("%s, version 0x%04X", tls.CipherSuiteName(state.CipherSuite), state.Version)
	}
	return &session{tls.CipherSuiteName(state.CipherSuite), client, server}, nil
}

func certificate() (tls.Certificate, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
