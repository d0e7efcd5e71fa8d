package c2s

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/internal/account"
)

// nsSM is stream management (XEP-0198).
const nsSM = "urn:xmpp:sm:3"

// What a server may say about resuming is bounded: a name is kept and sent back, a time is waited for.
const (
	maxStreamID      = 4096 // "SHOULD NOT be longer than 4000 bytes" (XEP-0198 §5)
	maxLocation      = 300  // a domain name and a port
	defaultResumable = 5 * time.Minute
	maxResumable     = time.Hour
)

// terms are what the server says when it begins to manage a stream. Without an id the stream cannot be resumed.
type terms struct {
	id       string
	lasts    time.Duration // for so long after its connection is lost
	location string        // host:port where to resume it; empty: anywhere
	instant  *instant      // how to resume it at once; nil: not
}

// parseTerms reads an <enabled/>. What is out of bounds is left out.
func parseTerms(enabled *xmpp.Element) *terms {
	t := &terms{lasts: defaultResumable}
	id, resume := enabled.Attr("id"), enabled.Attr("resume")
	if (resume == "true" || resume == "1") && len(id) <= maxStreamID {
		t.id = id
	}
	if seconds, err := strconv.ParseUint(enabled.Attr("max"), 10, 31); err == nil && seconds > 0 {
		t.lasts = min(time.Duration(seconds)*time.Second, maxResumable)
	}
	t.location = parseLocation(enabled.Attr("location"))
	return t
}

// parseLocation reads a host, with or without a port, in the form of RFC 6120 §4.9.3.19. What is not of that form is none.
func parseLocation(s string) string {
	if s == "" || len(s) > maxLocation {
		return ""
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil { // without a port
		host, port = trimBrackets(s), "5222"
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 || host == "" {
		return ""
	}
	if net.ParseIP(host) == nil && !isHostName(host) {
		return ""
	}
	return net.JoinHostPort(host, port)
}

func trimBrackets(s string) string {
	if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' {
		return s[1 : len(s)-1]
	}
	return s
}

// isHostName is about the characters only: DNS says the rest.
func isHostName(s string) bool {
	for _, c := range s {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.') {
			return false
		}
	}
	return true
}

// parseCount reads an h.
func parseCount(el *xmpp.Element) (uint32, error) {
	h, err := strconv.ParseUint(el.Attr("h"), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("the server counts stanzas as %.20q", el.Attr("h"))
	}
	return uint32(h), nil
}

// claim is a former stream that is to be resumed, and how much of it has arrived here.
type claim struct {
	terms
	handled uint32
	place   account.Candidate // where its last connection went
	near    bool              // not to be asked for elsewhere if the server has gone: first comes a wait
}

// places are where to go first: where the server wants to be asked for the stream, and where the stream was. Either is held to the
// account's domain by its certificate, as any other.
func (c *claim) places(mode Mode) []account.Candidate {
	out := c.instantPlaces()
	if c.location != "" {
		out = append(out, bothWays(c.location, mode)...)
	}
	if !slices.Contains(out, c.place) {
		out = append(out, c.place)
	}
	return out
}

func (c *claim) element() *xmpp.Element {
	return xmpp.NewElement(nsSM, "resume").With("h", fmt.Sprint(c.handled)).With("previd", c.id)
}

// verdict is the server's answer to a claim.
type verdict struct {
	resumed bool
	h       uint32 // so many stanzas of ours the server has handled
	counted bool   // h was said; always where the stream is resumed
	reason  string // of a refusal
}

// judge reads a <resumed/> or a <failed/> that answers c. An answer about another stream is an error.
func (c *claim) judge(el *xmpp.Element) (*verdict, error) {
	h, err := parseCount(el)
	switch {
	case el.Is(nsSM, "resumed"):
		if err != nil {
			return nil, err
		}
		if el.Attr("previd") != c.id {
			return nil, fmt.Errorf("the server resumed another stream than was asked for")
		}
		return &verdict{resumed: true, h: h, counted: true}, nil
	case el.Is(nsSM, "failed"):
		v := &verdict{h: h, counted: err == nil, reason: failureReason(el)}
		return v, nil
	}
	return nil, fmt.Errorf("got <%.40s/> for an answer to <resume/>", el.Name.Local)
}

// failureReason is the condition of a <failed/>. Some servers wrap it as in a stanza.
func failureReason(failed *xmpp.Element) string {
	for _, c := range append(failed.Children(), firstNamed(failed, "error").Children()...) {
		if c.Name.Space == xmpp.NSStanzas && c.Name.Local != "text" {
			return fmt.Sprintf("%.60s", c.Name.Local)
		}
	}
	return "no reason given"
}

// firstNamed is the first child of that name, in whatever namespace, or nil.
func firstNamed(el *xmpp.Element, local string) *xmpp.Element {
	for _, c := range el.Children() {
		if c.Name.Local == local {
			return c
		}
	}
	return nil
}
