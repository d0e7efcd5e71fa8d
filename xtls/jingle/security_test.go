package jingle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xtls-agent/xmpp"
)

const (
	hex20 = "da39a3ee5e6b4b0d3255bfef95601890afd80709"
	hex32 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

func colons(s string) string {
	var parts []string
	for i := 0; i < len(s); i += 2 {
		parts = append(parts, s[i:i+2])
	}
	return strings.ToUpper(strings.Join(parts, ":"))
}

func securityOf(inside string) string {
	return `<security xmlns='` + NSSecurity + `'>` + inside + `</security>`
}

func TestParseSecurity(t *testing.T) {
	sha256, sha1 := &Announced{SHA256, hex32}, &Announced{SHA1, hex20}
	fp := func(attr, text string) string { return `<fingerprint` + attr + `>` + text + `</fingerprint>` }
	for name, tt := range map[string]struct {
		inside string
		want   *Security // nil: refused
	}{
		"empty":                    {"", &Security{}},
		"as we write it":           {fp(` algo='sha-256'`, hex32) + `<method name='x509'/><method name='srp'/>`, &Security{sha256, []string{"x509", "srp"}}},
		"methods first":            {`<method name='srp'/>` + fp(` algo='sha-256'`, hex32), &Security{sha256, []string{"srp"}}},
		"capitals and colons":      {fp(` algo='SHA-256'`, colons(hex32)), &Security{Fingerprint: sha256}},
		"no algo, 20 bytes":        {fp("", colons(hex20)), &Security{Fingerprint: sha1}},
		"no algo, 32 bytes":        {fp("", hex32), &Security{Fingerprint: sha256}},
		"white space":              {fp("", "\n  "+hex20[:20]+"\n  "+hex20[20:]+"\n"), &Security{Fingerprint: sha1}},
		"algo written sha1":        {fp(` algo='sha1'`, hex20), &Security{Fingerprint: sha1}},
		"unknown method":           {`<method name='openpgp'/><method name='x509'/><method/>`, &Security{Methods: []string{"x509"}}},
		"method twice":             {`<method name='srp'/><method name='srp'/>`, &Security{Methods: []string{"srp"}}},
		"unknown sibling":          {`<fingerprint xmlns='urn:other'>00</fingerprint><x/>` + fp("", hex32), &Security{Fingerprint: sha256}},
		"the strongest counts":     {fp("", hex20) + fp("", hex32), &Security{Fingerprint: sha256}},
		"the strongest counts too": {fp("", hex32) + fp("", hex20), &Security{Fingerprint: sha256}},
		"the same twice":           {fp("", hex32) + fp("", colons(hex32)), &Security{Fingerprint: sha256}},
		"two different":            {fp("", hex32) + fp("", "00"+hex32[2:]), nil},
		// What cannot be compared is not given: then x509 is not possible.
		"no hexadecimal":           {fp("", "RomeoX509CertificateHash"), &Security{}},
		"another length":           {fp(` algo='sha-256'`, hex32[2:]), &Security{}},
		"length is not the algo's": {fp(` algo='sha-256'`, hex20), &Security{}},
		"another algorithm":        {fp(` algo='sha-512'`, hex32+hex32), &Security{}},
		"claims another algorithm": {fp(` algo='md5'`, hex32), &Security{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseSecurity(element(t, securityOf(tt.inside)))
			if tt.want == nil {
				if !errors.Is(err, ErrMalformed) {
					t.Fatalf("read as %+v, %v", got, err)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
				t.Fatalf("%v %s", err, diff)
			}
		})
	}
}

func TestSecurityIsWrittenAsDesigned(t *testing.T) {
	sum := sha256.Sum256([]byte("a certificate"))
	s := &Security{&Announced{SHA256, hex.EncodeToString(sum[:])}, []string{"x509", "srp"}}
	want := securityOf(`<fingerprint algo='sha-256'>` + hex.EncodeToString(sum[:]) + `</fingerprint><method name='x509'/><method name='srp'/>`)
	if got := s.Element().String(); got != want {
		t.Errorf("wrote %s, want %s", got, want)
	}
	if !bytes.Equal(s.Fingerprint.Bytes(), sum[:]) {
		t.Error("Bytes is not the hash")
	}
	if _, err := ParseSecurity(xmpp.NewElement(NS, "security")); !errors.Is(err, ErrMalformed) {
		t.Errorf("another namespace: %v", err)
	}
}

func FuzzParseSecurity(f *testing.F) {
	f.Add(securityOf(`<fingerprint algo='sha-256'>` + hex32 + `</fingerprint><method name='x509'/>`))
	f.Add(securityOf(`<fingerprint>` + colons(hex20) + `</fingerprint><method name='srp'/>`))
	f.Add(securityOf(`<fingerprint>JulietX509CertificateHash</fingerprint><method name='openpgp'/>`))
	f.Fuzz(func(t *testing.T, text string) {
		el, err := xmpp.ParseElement([]byte(text), xmpp.Limits{})
		if err != nil {
			return
		}
		s, err := ParseSecurity(el)
		if err != nil {
			return
		}
		if n := map[string]int{SHA1: 20, SHA256: 32}; s.Fingerprint != nil && len(s.Fingerprint.Bytes()) != n[s.Fingerprint.Algo] {
			t.Fatalf("fingerprint %+v", s.Fingerprint)
		}
		again, err := ParseSecurity(element(t, s.Element().String()))
		if diff := cmp.Diff(s, again); err != nil || diff != "" {
			t.Fatalf("%v %s", err, diff)
		}
	})
}
