package ibb

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"xtls-agent/internal/fuzztest"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
)

// Steps of a script: what a peer may do to a byte stream, and how fast its reader reads. The low bits of a step say how much.
const (
	stepBlock    = 0x00 // the next block, of 0 to 7 bytes
	stepRead     = 0x20 // up to 31 bytes
	stepSkip     = 0x40 // a block whose number is wrong
	stepBadBlock = 0x60 // one that is none
	stepOpen     = 0x80 // once more
	stepClose    = 0xa0
	stepMany     = 0xc0 // up to 31 full blocks
	stepKind     = 0xe0
)

// scriptBlock is the size of a block in scripts; with it a flood is short.
const scriptBlock = 7

// model is what must become of a byte stream.
type model struct {
	next     uint16
	held     int    // acknowledgements that wait for the reader
	sent     []byte // that count
	read     int
	ended    bool
	inOrder  bool // it was closed, not broken
	expected []string
	early    map[uint16]int // which request brought a block before its time
}

// block notes what a block is answered with.
func (m *model) block(good bool, seq uint16, data []byte) {
	switch {
	case m.ended:
		m.expect(xmpp.ItemNotFound)
	case !good:
		m.end(xmpp.BadRequest)
	case seq-m.next > earlyBlocks:
		m.end(xmpp.UnexpectedRequest)
	case seq != m.next:
		if _, twice := m.early[seq]; twice {
			m.end(xmpp.UnexpectedRequest)
			return
		}
		if m.early == nil {
			m.early = make(map[uint16]int)
		}
		m.early[seq] = len(m.expected)
		m.expect("later")
	case m.held >= heldBlocks:
		m.end(xmpp.ResourceConstraint)
	default:
		m.expect("")
		m.accept(data)
		m.drain()
		m.release()
	}
}

func (m *model) accept(data []byte) {
	m.next++
	m.held++
	m.sent = append(m.sent, data...)
}

// drain takes the early blocks that are due; each is an x.
func (m *model) drain() {
	for {
		i, ok := m.early[m.next]
		if !ok {
			return
		}
		delete(m.early, m.next)
		if m.held >= heldBlocks {
			m.expected[i] = xmpp.ResourceConstraint
			m.broken()
			return
		}
		m.expected[i] = ""
		m.accept([]byte("x"))
	}
}

// broken is the end of the stream: what came before its time is refused.
func (m *model) broken() {
	m.ended, m.held = true, 0
	for _, i := range m.early {
		m.expected[i] = xmpp.ItemNotFound
	}
	m.early = nil
}

func (m *model) expect(condition string) { m.expected = append(m.expected, condition) }

func (m *model) end(condition string) {
	m.expect(condition)
	m.broken()
}

func (m *model) release() {
	if len(m.sent)-m.read <= ackBlocks*scriptBlock {
		m.held = 0
	}
}

// play is a script on its way: a peer's calls, the stream at the other end, and what the model says of both.
type play struct {
	model
	peer  *raw
	conn  *Conn
	calls []*xmpp.Call
}

func (p *play) ask(t *testing.T, el *xmpp.Element) {
	t.Helper()
	call, err := p.peer.Go(t.Context(), xmpp.Set, juliet, el)
	if err != nil {
		t.Fatal(err)
	}
	p.calls = append(p.calls, call)
}

func (p *play) sendBlock(t *testing.T, n int) {
	data := bytes.Repeat([]byte{byte(p.next)}, n)
	p.ask(t, dataElement("s", p.next, data))
	p.block(n <= scriptBlock, p.next, data)
}

func (p *play) step(t *testing.T, b byte) {
	n := int(b &^ stepKind)
	switch b & stepKind {
	case stepBlock:
		p.sendBlock(t, n%(scriptBlock+2))
	case stepMany:
		for range n {
			p.sendBlock(t, scriptBlock)
		}
	case stepSkip:
		seq := p.next + uint16(1+n)
		p.ask(t, dataElement("s", seq, []byte("x")))
		p.block(true, seq, nil)
	case stepBadBlock:
		bad := []string{"????", "eA", "eB==", "eA==\n", "=AAA", "AAAAAAAAAAAAAAAAAAAA"}[n%6]
		p.ask(t, dataText(int(p.next), bad))
		p.block(false, p.next, nil)
	case stepOpen:
		p.ask(t, open{"s", 1 + n}.element())
		p.expect(xmpp.NotAcceptable)
	case stepClose:
		if !p.ended {
			p.ask(t, closeElement("s"))
			p.end("")
			p.inOrder = true
		}
	case stepRead:
		p.reads(t, n)
	}
}

// arrive waits until all that was sent has arrived.
func (p *play) arrive(t *testing.T) {
	if got := p.peer.ask(t, closeElement("another")); got != xmpp.ItemNotFound {
		t.Fatalf("closing what is not there: %q", got)
	}
}

// reads reads up to n bytes, once all that was sent has arrived.
func (p *play) reads(t *testing.T, n int) {
	p.arrive(t)
	n = min(n, len(p.sent)-p.read)
	if n == 0 {
		return
	}
	got := make([]byte, n)
	if _, err := io.ReadFull(p.conn, got); err != nil || !bytes.Equal(got, p.sent[p.read:p.read+n]) {
		t.Fatalf("read %x, %v; sent was %x", got, err, p.sent[p.read:])
	}
	p.read += n
	p.release()
}

// finish closes the stream, if it is open, and holds the end and all answers to the model.
func (p *play) finish(t *testing.T) {
	p.step(t, stepClose)
	p.arrive(t) // reading sooner would make room for what is too much
	rest, err := io.ReadAll(p.conn)
	if !bytes.Equal(rest, p.sent[p.read:]) || (err == nil) != p.inOrder {
		t.Fatalf("at the end %x, %v; sent was %x, in order: %v", rest, err, p.sent[p.read:], p.inOrder)
	}
	fuzztest.Line(t, err)
	for i, call := range p.calls {
		_, err := call.Wait(t.Context())
		var xe *xmpp.Error
		condition := ""
		if errors.As(err, &xe) {
			condition = xe.Condition
		}
		if condition != p.expected[i] || err != nil && xe == nil {
			t.Fatalf("request %d of %d: %v, not %q", i, len(p.calls), err, p.expected[i])
		}
	}
}

// FuzzStream: whatever a peer does to a byte stream, what can be read is what it sent in order, up to its first fault; each request is
// answered as XEP-0047 says, and no more is held than may be.
func FuzzStream(f *testing.F) {
	for _, seed := range [][]byte{
		{1, 7, stepRead | 4, 3, stepClose}, {stepMany | 20, stepRead | 31, stepRead | 31, stepMany | 9}, {stepMany | 31, stepMany | 31, stepMany | 31, stepRead | 9},
		{2, stepSkip, 3}, {2, stepSkip | 1, stepSkip, stepRead | 9, 3, 4}, {2, stepSkip, stepSkip}, {2, stepSkip | 16}, {2, stepSkip | 15, stepMany | 20, stepRead | 31}, {2, stepBadBlock | 3, 3}, {8, 1}, {stepOpen | 4, 1, stepOpen}, {stepClose, 1, stepRead | 5}, {0, 0, 0, stepRead | 1},
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		router := linktest.NewRouter()
		p := &play{peer: joinRaw(t, router.Connect(romeoJID), nil)}
		b := join(t, router.Connect(julietJID), Config{})
		var err error
		if p.conn, err = b.m.Attach(romeo, "s", scriptBlock); err != nil {
			t.Fatal(err)
		}
		for _, step := range script[:min(len(script), 64)] {
			p.step(t, step)
			if held, in := p.conn.holds(); held > heldBlocks || in > (ackBlocks+heldBlocks+1)*scriptBlock {
				t.Fatalf("%d blocks, %d bytes are held", held, in)
			}
		}
		p.finish(t)
	})
}

// holds returns how many acknowledgements and bytes wait for the reader.
func (c *Conn) holds() (blocks, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.held), c.in.Len()
}

// FuzzAnyElement: no element, whatever it says, upsets a manager: each gets one answer.
func FuzzAnyElement(f *testing.F) {
	for _, text := range []string{
		`<open xmlns='http://jabber.org/protocol/ibb' block-size='4096' sid='s' stanza='iq'/>`, `<data xmlns='http://jabber.org/protocol/ibb' seq='0' sid='s'>eA==</data>`,
		`<close xmlns='http://jabber.org/protocol/ibb' sid='s'/>`, `<data xmlns='http://jabber.org/protocol/ibb'><data/></data>`, `<open xmlns='http://jabber.org/protocol/ibb' stanza='message'/>`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		el, err := xmpp.ParseElement([]byte(text), xmpp.Limits{})
		if err != nil {
			return
		}
		router := linktest.NewRouter()
		peer, b := joinRaw(t, router.Connect(romeoJID), nil), join(t, router.Connect(julietJID), Config{})
		pending, err := b.m.Expect(romeo, "s", DefaultBlockSize)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			peer.ask(t, el)
		}
		if again := peer.ask(t, open{"s", 1}.element()); again != "" && again != xmpp.NotAcceptable {
			t.Fatalf("an <open/> after %s: %q", text, again)
		}
		b.m.mu.Lock()
		if n := len(b.m.conns) + len(b.m.pending); n > 1 {
			t.Errorf("%d streams", n)
		}
		b.m.mu.Unlock()
		pending.Cancel()
	})
}
