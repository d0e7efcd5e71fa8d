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
	defaultResumable = 5 * time.Minute
	maxResumable     = time.Hour
)

// terms are what the server says when it begins to manage a stream. Without an id the stream cannot be resumed.
type terms struct {
	id       string
	lasts    time.Duration // for so long after its connection is lost
	location location      // where to resume it
	instant  *instant      // how to resume it at once; nil: not
}

// parseTerms reads an <enabled/> that came from a connection's other end. What is out of bounds is left out.
func parseTerms(enabled *xmpp.Element, from net.Addr) *terms {
	t := &terms{lasts: defaultResumable}
	id, resume := enabled.Attr("id"), enabled.Attr("resume")
	if (resume == "true" || resume == "1") && len(id) <= maxStreamID {
		t.id = id
	}
	if seconds, err := strconv.ParseUint(enabled.Attr("max"), 10, 31); err == nil && seconds > 0 {
		t.lasts = min(time.Duration(seconds)*time.Second, maxResumable)
	}
	t.location = parseLocation(enabled.Attr("location"), from)
	return t
}

// parseCount reads an h.
func parseCount(el *xmpp.Element) (uint32, error) {
	h, err := strconv.ParseUint(el.Attr("h"), 10, 32)
	if err != nil {
		return 0, unexpected("the server counts stanzas as %.20q", el.Attr("h"))
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
	if c.location.addr != "" {
		out = append(out, bothWays(c.location.addr, mode)...)
	}
	if !slices.Contains(out, c.place) {
		out = append(out, c.place)
	}
	return out
}

// locations are the places that the server has named.
func (c *claim) locations() []location {
	out := []location{c.location}
	if c.instant != nil {
		out = append(out, c.instant.location)
	}
	return out
}

// isNamed reports whether the server has named addr.
func (c *claim) isNamed(addr string) bool {
	return slices.ContainsFunc(c.locations(), func(l location) bool { return l.addr == addr })
}

// mayReach reports whether addr may be looked for at the end of a connection.
func (c *claim) mayReach(addr string, end net.Addr) bool {
	return !slices.ContainsFunc(c.locations(), func(l location) bool { return !l.mayReach(addr, end) })
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
			return nil, unexpected("the server resumed another stream than was asked for")
		}
		return &verdict{resumed: true, h: h, counted: true}, nil
	case el.Is(nsSM, "failed"):
		v := &verdict{h: h, counted: err == nil, reason: failureReason(el)}
		return v, nil
	}
	return nil, unexpected("got <%.40s/> for an answer to <resume/>", el.Name.Local)
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
