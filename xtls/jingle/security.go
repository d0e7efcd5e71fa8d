package jingle

import (
	"encoding/hex"
	"fmt"
	"strings"

	"xtls-agent/xmpp"
)

// The hash functions that an announced fingerprint may be made with.
const (
	SHA256 = "sha-256"
	SHA1   = "sha-1" // only looks up a stored certificate; never a pin
)

// Methods of the XTLS registry (jingle-xtls, XTLS Methods Registry) that are known here.
const (
	MethodX509 = "x509"
	MethodSRP  = "srp"
)

// Announced is the fingerprint of a certificate as a peer announced it. Nothing is proven by it.
type Announced struct {
	Algo string // SHA256 or SHA1
	Hex  string // lowercase, without colons, of the length that Algo has
}

// Bytes returns the hash itself.
func (a *Announced) Bytes() []byte {
	b, _ := hex.DecodeString(a.Hex) // parseFingerprint has checked it
	return b
}

// Security is the <security/> element of jingle-xtls.
type Security struct {
	// Fingerprint is nil if there was none that we can compare: "certificate-based authentication is
	// not possible" then (jingle-xtls, Basic Protocol, responder's rule 4).
	Fingerprint *Announced
	Methods     []string // those known here, in the order given, each once
}

// Has reports whether the method is listed.
func (s *Security) Has(method string) bool {
	for _, m := range s.Methods {
		if m == method {
			return true
		}
	}
	return false
}

// ParseSecurity reads a <security/> element leniently: children in any order, unknown ones and
// unknown methods (openpgp) left out. A fingerprint that is not 20 or 32 bytes of hexadecimal, or is of an
// unknown algorithm, counts as not given, so it can prove nothing; of several the strongest counts. Two
// different ones of one algorithm are an error: no side could tell which is meant.
func ParseSecurity(el *xmpp.Element) (*Security, error) {
	if !el.Is(NSSecurity, "security") {
		return nil, fmt.Errorf("%w: not a <security/>", ErrMalformed)
	}
	s := &Security{}
	for _, m := range el.ChildrenNamed(NSSecurity, "method") {
		name := m.Attr("name")
		if (name == MethodX509 || name == MethodSRP) && !s.Has(name) {
			s.Methods = append(s.Methods, name)
		}
	}
	for _, f := range el.ChildrenNamed(NSSecurity, "fingerprint") {
		a := parseFingerprint(f)
		switch {
		case a == nil:
		case s.Fingerprint == nil, a.Algo == SHA256 && s.Fingerprint.Algo == SHA1:
			s.Fingerprint = a
		case a.Algo == s.Fingerprint.Algo && a.Hex != s.Fingerprint.Hex:
			return nil, fmt.Errorf("%w: two different fingerprints", ErrMalformed)
		}
	}
	return s, nil
}

// parseFingerprint reads any case, with or without colons and white space. Without 'algo'
// the length tells: Gajim announced SHA-1 so, in 2010.
func parseFingerprint(el *xmpp.Element) *Announced {
	text := strings.ToLower(strings.Join(strings.Fields(el.Text()), ""))
	text = strings.ReplaceAll(text, ":", "")
	raw, err := hex.DecodeString(text)
	if err != nil {
		return nil
	}
	algo := map[int]string{20: SHA1, 32: SHA256}[len(raw)]
	named := strings.ToLower(strings.TrimSpace(el.Attr("algo")))
	if algo == "" || named != "" && named != algo && named != strings.ReplaceAll(algo, "-", "") {
		return nil
	}
	return &Announced{Algo: algo, Hex: text}
}

// Element returns s as XML.
func (s *Security) Element() *xmpp.Element {
	el := xmpp.NewElement(NSSecurity, "security")
	if s.Fingerprint != nil {
		el.Add(xmpp.NewText(NSSecurity, "fingerprint", s.Fingerprint.Hex).With("algo", s.Fingerprint.Algo))
	}
	for _, m := range s.Methods {
		el.Add(xmpp.NewElement(NSSecurity, "method").With("name", m))
	}
	return el
}
