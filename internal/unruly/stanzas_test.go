package unruly

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/internal/prove"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
)

// honestCounts are the faults of a server that keeps its books: all but Repeat, by which it says twice what was acknowledged to it.
func honestCounts() (mix []Kind) {
	for k := range Kinds {
		if k != Repeat {
			mix = append(mix, k)
		}
	}
	return mix
}

// What a link has written is handled by the server once, and in order, or is named when the link ends: as in doubt, or as certain not to
// have been handled. What it has acknowledged has been read, once and in order.
func TestStanzas(t *testing.T) {
	t.Parallel()
	playRounds(t, prove.Rounds(t, 16, 2000), chatterRound)
}

// playRounds plays a round for each of the seeds that follow the test's own, each in a bubble.
func playRounds(t *testing.T, rounds int, round func(t *testing.T, seed uint64) *Plan) {
	t.Helper()
	seed := prove.Seed(t)
	var sum tally
	for i := range rounds {
		t.Run(fmt.Sprintf("seed_%d", seed+uint64(i)), func(t *testing.T) {
			prove.Round(t, seed+uint64(i))
			synctest.Test(t, func(t *testing.T) { sum.add(round(t, seed+uint64(i))) })
		})
	}
	sum.judge(t, rounds)
}

// tally counts faults.
type tally struct{ of [Kinds]int }

// judge fails where so little went wrong that nothing is shown.
func (c *tally) judge(t *testing.T, rounds int) {
	t.Log(c)
	all := 0
	for _, n := range c.of {
		all += n
	}
	if all < 5*rounds {
		t.Errorf("%d faults in %d rounds", all, rounds)
	}
}

func (c *tally) add(p *Plan) {
	of, _ := p.Begun()
	for k, n := range of {
		c.of[k] += n
	}
}

func (c *tally) String() string {
	all, text := 0, ""
	for k, n := range c.of {
		all += n
		text += fmt.Sprintf(" %d %v,", n, Kind(k))
	}
	return fmt.Sprintf("%d faults:%s", all, text)
}

func chatterRound(t *testing.T, seed uint64) *Plan {
	plan := NewPlan(t, seed, 30, honestCounts()...)
	s := New(t, plan)
	plan.Play(true)
	pace := rand.New(rand.NewPCG(seed, 2))
	c := &chatter{t: t, server: s, chance: rand.New(rand.NewPCG(seed, 1)), sessions: tls.NewLRUClientSessionCache(1)}
	c.named = make(map[string]bool)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { c.live(ctx) })
	for i := range 200 {
		time.Sleep(time.Duration(pace.IntN(400)) * time.Millisecond)
		s.Send("romeo", fmt.Sprintf("d%04d", i))
	}
	plan.Play(false)
	time.Sleep(15 * time.Minute) // whatever is under way comes to its end
	stop()
	running.Wait()
	c.judge()
	return plan
}

// chatter is a client that writes messages with rising numbers and notes what it reads, on one link after another.
type chatter struct {
	t        *testing.T
	server   *Server
	chance   *rand.Rand
	sessions tls.ClientSessionCache

	written []string        // as the link took them
	named   map[string]bool // what a link that ended could not answer for; true: that was certain not to have been handled
	read    []string
}

func (c *chatter) live(ctx context.Context) {
	cfg := c.server.Config("romeo")
	cfg.Tokens, cfg.TLSSessions = &memTokens{}, c.sessions
	cfg.Unacknowledged = 1 << (12 + c.chance.IntN(8))
	var next *c2s.Link
	for ctx.Err() == nil {
		link, err := next, error(nil)
		if next = nil; link == nil {
			link, err = c2s.Dial(ctx, cfg)
		}
		if err != nil {
			time.Sleep(time.Second)
			continue
		}
		link.Notify(func(change c2s.Change) {
			if change.Next != nil {
				next = change.Next
			}
		})
		c.use(ctx, link)
	}
	if next != nil {
		_ = next.Close()
	}
}

// use writes and reads until the link ends, or ctx.
func (c *chatter) use(ctx context.Context, link *c2s.Link) {
	defer link.Close()
	stop := context.AfterFunc(ctx, func() { _ = link.Close() })
	defer stop()
	var writing sync.WaitGroup
	defer writing.Wait()
	writing.Go(func() {
		for len(c.written) < 200 {
			batch := c.batch()
			if link.WriteStanzas(batch) != nil {
				return
			}
			for _, st := range batch {
				c.written = append(c.written, st.ID)
			}
			time.Sleep(time.Duration(c.chance.IntN(600)) * time.Millisecond)
		}
	})
	for {
		st, err := link.ReadStanza()
		if err == nil {
			c.read = append(c.read, st.ID)
			continue
		}
		var lost *xmpp.LostError
		if errors.As(err, &lost) {
			for _, st := range lost.Stanzas {
				c.named[st.ID] = lost.Unhandled
			}
		}
		return
	}
}

// batch is what is written next: one stanza or a few, one in ten of them large.
func (c *chatter) batch() (out []*xmpp.Stanza) {
	for i := range min(1+c.chance.IntN(4)*c.chance.IntN(2), 200-len(c.written)) {
		st := &xmpp.Stanza{Kind: xmpp.Message, ID: fmt.Sprintf("u%04d", len(c.written)+i), To: jid.MustParse(Domain)}
		if c.chance.IntN(10) == 0 {
			st.Payload = []*xmpp.Element{xmpp.NewText(xmpp.NSClient, "body", strings.Repeat("x", c.chance.IntN(40_000)))}
		}
		out = append(out, st)
	}
	return out
}

func (c *chatter) judge() {
	handled, acknowledged := c.server.Received("romeo"), c.server.Acknowledged("romeo")
	// What is in doubt when a link ends may be under way still, and come after what the next one writes.
	certain := slices.DeleteFunc(slices.Clone(handled), func(id string) bool { _, named := c.named[id]; return named })
	if !rises(certain) || !rises(slices.Sorted(slices.Values(handled))) || !rises(c.read) {
		c.t.Errorf("out of order or twice: handled %v, read %v", handled, c.read)
	}
	if len(c.written) != 200 {
		c.t.Errorf("wrote %d", len(c.written))
	}
	for _, id := range c.written {
		certain, named := c.named[id]
		switch was := slices.Contains(handled, id); {
		case !was && !named:
			c.t.Errorf("%s was lost, and nobody says so", id)
		case was && certain:
			c.t.Errorf("%s was handled, and the link says that it was not", id)
		}
	}
	for _, id := range acknowledged {
		if !slices.Contains(c.read, id) {
			c.t.Errorf("%s was acknowledged, and not read", id)
		}
	}
}

// rises reports whether each is greater than the one before, so that none is there twice.
func rises(ids []string) bool {
	for i := 1; i < len(ids); i++ {
		if ids[i] <= ids[i-1] {
			return false
		}
	}
	return true
}
