package evil

import (
	"context"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"mellium.im/xmpp/jid"

	"xtls-agent/trust"
	"xtls-agent/xmpp"
)

var dataElement = regexp.MustCompile(`(<data [^>]*>)([^<]*)(</data>)`)

func isData(st *xmpp.Stanza) bool { return strings.Contains(st.Element().String(), "<data ") }

// flip inverts a bit of the last byte but n of a block: of a record's content, or of its MAC.
func flip(st *xmpp.Stanza, n int) *xmpp.Stanza {
	return rewrite(st, func(text string) string {
		return dataElement.ReplaceAllStringFunc(text, func(el string) string {
			part := dataElement.FindStringSubmatch(el)
			block, err := base64.StdEncoding.DecodeString(part[2])
			if err != nil || len(block) == 0 {
				return el
			}
			block[max(0, len(block)-1-n)] ^= 0x10
			return part[1] + base64.StdEncoding.EncodeToString(block) + part[3]
		})
	})
}

// scene is one device and one phone, for an attack on the blocks of their bytestreams.
type scene struct {
	*server
	d      *device
	p      *phone
	blocks int // so far; guarded by the server's lock
}

func newScene(t testing.TB) *scene {
	s := newServer()
	return &scene{server: s, d: startDevice(t, s, boxJID), p: startPhone(t, s, romeoJID)}
}

// onBlock makes the server honest but for the block with number at, from either side, which becomes what f returns.
func (sc *scene) onBlock(at int, f move) {
	sc.become(func(st *xmpp.Stanza) []*xmpp.Stanza {
		if !isData(st) {
			return []*xmpp.Stanza{st}
		}
		sc.blocks++
		if sc.blocks-1 == at {
			return f(st)
		}
		return []*xmpp.Stanza{st}
	})
}

func (sc *scene) check(t testing.TB) {
	t.Helper()
	check(t, model{sc.p: {sc.d}}, []*device{sc.d}, []*phone{sc.p})
}

// countBlocks returns how many blocks a pairing takes, with the session that confirms it. The next one may take one or two
// fewer, since answers can share a block; an attack on the last finds nothing then.
func countBlocks(t *testing.T) int {
	sc := newScene(t)
	sc.onBlock(-1, nil)
	sc.p.mustPair(sc.d)
	sc.become(nil)
	return sc.blocks
}

var sidAttr = regexp.MustCompile(`sid='([^']*)'`)

// cut ends the bytestream after a block, to both sides, as if the other had closed it.
func cut(st *xmpp.Stanza) []*xmpp.Stanza {
	sid := sidAttr.FindStringSubmatch(st.Element().String())[1]
	stop := func(id string, from, to jid.JID) *xmpp.Stanza {
		return &xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Set, ID: id, From: from, To: to, Payload: []*xmpp.Element{
			xmpp.NewElement("http://jabber.org/protocol/ibb", "close").With("sid", sid),
		}}
	}
	return []*xmpp.Stanza{st, stop("cut-1", st.From, st.To), stop("cut-2", st.To, st.From)}
}

// Truncated after every record, a pairing has either come about, or it has not and can be repeated: nobody is left who trusts
// somebody else, and no half-finished owner takes the device.
func TestTruncatedAfterEveryBlock(t *testing.T) {
	t.Parallel()
	n := countBlocks(t)
	for at := range n {
		t.Run(fmt.Sprint("block ", at), func(t *testing.T) {
			t.Parallel()
			sc := newScene(t)
			sc.onBlock(at, cut)
			err := sc.whileItMoves(t, func(ctx context.Context) error { return sc.p.pair(ctx, boxJID, sc.d) })
			sc.become(nil)
			sc.check(t)
			if err == nil {
				sc.p.mustBePaired(sc.d)
			}
			sc.recover(t)
		})
	}
}

// recover shows that what a person has at hand brings them together: the button, and to pair again; or, where both have
// got that far, a session with the certificates that they have.
func (sc *scene) recover(t *testing.T) {
	t.Helper()
	if len(sc.d.owners()) > 0 && len(sc.p.keys.Devices.All()) > 0 {
		if err := inTime(t, func(ctx context.Context) error { return sc.p.open(ctx, boxJID) }); err != nil {
			t.Fatalf("both have the other's certificate, and no session comes about: %v", err)
		}
		sc.p.mustBePaired(sc.d)
		return
	}
	for _, r := range sc.d.owners() {
		if r.State != trust.Provisional {
			t.Fatalf("the device is owned by somebody who does not know it: %v", r)
		}
	}
	sc.d.press()
	sc.p.mustPair(sc.d)
	sc.check(t)
}

// One bit of any block, in either direction: the swap of a certificate in enrolment is this attack, since SRP's keys are not
// the server's. It hears of it, and neither side stores what it has not authenticated.
func TestFlippedBitInEveryBlock(t *testing.T) {
	t.Parallel()
	n := countBlocks(t)
	for at := range n {
		t.Run(fmt.Sprint("block ", at), func(t *testing.T) {
			t.Parallel()
			sc := newScene(t)
			sc.onBlock(at, func(st *xmpp.Stanza) []*xmpp.Stanza { return []*xmpp.Stanza{flip(st, at%40)} })
			err := sc.whileItMoves(t, func(ctx context.Context) error { return sc.p.pair(ctx, boxJID, sc.d) })
			sc.become(nil)
			sc.check(t)
			if err == nil { // the last words of a session that both have ended do not matter
				sc.p.mustBePaired(sc.d)
			}
		})
	}
}

// The same, drawn as it is meant: the certificates go by in records of SRP's keys, and what the server puts in their place is
// refused. That a certificate of its own would be taken if it had the keys shows TestServerThatKnowsThePINPairs.
func TestSwappedCertificates(t *testing.T) {
	t.Parallel()
	for _, side := range []string{boxJID, romeoJID} {
		t.Run("of "+side, func(t *testing.T) {
			t.Parallel()
			recorded := newScene(t) // records of another pairing, whose keys the server does not have either
			recorded.p.mustPair(recorded.d)
			old := blocksFrom(recorded.sent(), side)
			sc := newScene(t)
			swapped, seen := 0, 0
			sc.become(func(st *xmpp.Stanza) []*xmpp.Stanza {
				if !isData(st) || st.From.String() != side {
					return []*xmpp.Stanza{st}
				}
				seen++
				if seen <= 2 || seen > len(old) || swapped > 0 { // the first two are the handshake
					return []*xmpp.Stanza{st}
				}
				swapped++
				return []*xmpp.Stanza{rewrite(st, func(text string) string {
					return dataElement.ReplaceAllString(text, "${1}"+old[seen-1]+"${3}")
				})}
			})
			err := sc.whileItMoves(t, func(ctx context.Context) error { return sc.p.pair(ctx, boxJID, sc.d) })
			sc.become(nil)
			if swapped == 0 {
				t.Fatal("the weapon never hit")
			}
			if err == nil {
				t.Error("paired over swapped records")
			}
			sc.check(t)
		})
	}
}

// blocksFrom returns the blocks that one client has sent.
func blocksFrom(sent []*xmpp.Stanza, full string) (blocks []string) {
	for _, st := range sent {
		if part := dataElement.FindStringSubmatch(st.Element().String()); part != nil && st.From.String() == full {
			blocks = append(blocks, part[2])
		}
	}
	return blocks
}
