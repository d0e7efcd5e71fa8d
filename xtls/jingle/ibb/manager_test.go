package ibb

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
)

func element(t testing.TB, text string) *xmpp.Element {
	t.Helper()
	el, err := xmpp.ParseElement([]byte(text), xmpp.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return el
}

func dataText(seq int, text string) *xmpp.Element {
	return xmpp.NewText(NS, "data", text).With("seq", strconv.Itoa(seq)).With("sid", "s")
}

// XEP-0047 §2.1: what nobody expects is not acceptable, and larger blocks than negotiated are
// refused so that the peer can come again.
func TestOpenOnlyAsExpected(t *testing.T) {
	r := linktest.NewRouter()
	p, b := joinRaw(t, r.Connect(romeoJID), nil), join(t, r.Connect(julietJID), Config{})
	eve := joinRaw(t, r.Connect("romeo@montague.lit/other"), nil)
	if got := p.ask(t, open{"s", 100}.element()); got != xmpp.NotAcceptable {
		t.Errorf("unexpected open: %q", got)
	}
	pending, err := b.m.Expect(romeo, "s", 100)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		by   *raw
		el   *xmpp.Element
		want string
	}{
		"another resource":       {eve, open{"s", 100}.element(), xmpp.NotAcceptable},
		"another sid":            {p, open{"t", 100}.element(), xmpp.NotAcceptable},
		"blocks too large":       {p, open{"s", 101}.element(), xmpp.ResourceConstraint},
		"data in messages":       {p, open{"s", 100}.element().With("stanza", "message"), xmpp.NotAcceptable},
		"no block size":          {p, open{"s", 100}.element().With("block-size", ""), xmpp.BadRequest},
		"block size 0":           {p, open{"s", 100}.element().With("block-size", "0"), xmpp.BadRequest},
		"block size of 17 bits":  {p, open{"s", 100}.element().With("block-size", "65536"), xmpp.BadRequest},
		"no sid":                 {p, open{"", 100}.element(), xmpp.BadRequest},
		"sid too long":           {p, open{strings.Repeat("x", maxSID+1), 100}.element(), xmpp.BadRequest},
		"data before open":       {p, dataText(0, "eA=="), xmpp.ItemNotFound},
		"close before open":      {p, closeElement("s"), xmpp.ItemNotFound},
		"close by somebody else": {eve, closeElement("s"), xmpp.ItemNotFound},
	} {
		if got := tt.by.ask(t, tt.el); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	if got := p.ask(t, open{"s", 50}.element()); got != "" {
		t.Fatalf("open: %q", got)
	}
	c, err := pending.Accept(t.Context())
	if err != nil || c.BlockSize() != 50 {
		t.Fatalf("accepted with %v, %v", c, err)
	}
	if got := p.ask(t, open{"s", 50}.element()); got != xmpp.NotAcceptable {
		t.Errorf("open twice: %q", got)
	}
	// Byte streams are keyed by the full JID: nobody else writes or closes.
	if d, e := eve.ask(t, dataText(0, "eA==")), eve.ask(t, closeElement("s")); d != xmpp.ItemNotFound || e != xmpp.ItemNotFound {
		t.Errorf("somebody else: data %q, close %q", d, e)
	}
	if got := p.ask(t, dataText(0, "eA==")); got != "" {
		t.Errorf("data: %q", got)
	}
	if got := p.ask(t, closeElement("s")); got != "" {
		t.Errorf("close: %q", got)
	}
	if text, err := io.ReadAll(c); string(text) != "x" || err != nil {
		t.Errorf("read %q, %v", text, err)
	}
}

// XEP-0047 §2.2 and §6: what breaks a stream. The block is refused, what came before is still read, and
// nothing after it counts.
func TestBlocksThatEndTheStream(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString
	for name, tt := range map[string]struct {
		el   *xmpp.Element
		want string
	}{
		"a gap":               {dataText(2+earlyBlocks, "eA=="), xmpp.UnexpectedRequest},
		"a repetition":        {dataText(0, "eA=="), xmpp.UnexpectedRequest},
		"seq of 17 bits":      {dataText(65537, "eA=="), xmpp.BadRequest},
		"negative seq":        {dataText(-1, "eA=="), xmpp.BadRequest},
		"no seq":              {dataText(1, "eA==").With("seq", ""), xmpp.BadRequest},
		"one byte too big":    {dataText(1, b64(payload(11))), xmpp.BadRequest},
		"far too big":         {dataText(1, b64(payload(100000))), xmpp.BadRequest},
		"no base64":           {dataText(1, "????"), xmpp.BadRequest},
		"white space":         {dataText(1, "eA =="), xmpp.BadRequest},
		"line end":            {dataText(1, "eA==\n"), xmpp.BadRequest},
		"padding at the head": {dataText(1, "=AAA"), xmpp.BadRequest},
		"padding inside":      {dataText(1, "BBBB=CCC"), xmpp.BadRequest},
		"padding missing":     {dataText(1, "eA"), xmpp.BadRequest},
		"stray bits":          {dataText(1, "eB=="), xmpp.BadRequest},
		"URL alphabet":        {dataText(1, "-_-_"), xmpp.BadRequest},
		"an element":          {dataText(1, "eA==").Add(xmpp.NewElement(NS, "x")), xmpp.BadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			r := linktest.NewRouter()
			p, b := joinRaw(t, r.Connect(romeoJID), nil), join(t, r.Connect(julietJID), Config{})
			c, err := b.m.Attach(romeo, "s", 10)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.ask(t, dataText(0, b64([]byte("first")))); got != "" {
				t.Fatalf("first block: %q", got)
			}
			if got := p.ask(t, tt.el); got != tt.want {
				t.Errorf("answered with %q, want %q", got, tt.want)
			}
			if got := p.ask(t, dataText(1, "eA==")); got != xmpp.ItemNotFound {
				t.Errorf("block after the end: %q", got)
			}
			if text, err := io.ReadAll(c); string(text) != "first" || err == nil {
				t.Errorf("read %q, %v", text, err)
			}
			if _, err := c.Write([]byte("x")); err == nil {
				t.Error("the stream takes writes")
			}
		})
	}
}

// DESIGN §5: a peer that sends on without acknowledgements does not fill our memory.
func TestFloodIsCutOff(t *testing.T) {
	r := linktest.NewRouter()
	p, b := joinRaw(t, r.Connect(romeoJID), nil), join(t, r.Connect(julietJID), Config{})
	const block = 100
	c, err := b.m.Attach(romeo, "s", block)
	if err != nil {
		t.Fatal(err)
	}
	var last *xmpp.Call
	sent := 0
	for ; sent < 10*(ackBlocks+heldBlocks); sent++ {
		call, err := p.Go(t.Context(), xmpp.Set, juliet, dataElement("s", uint16(sent), payload(block)))
		if err != nil {
			t.Fatal(err)
		}
		last = call
	}
	if _, err := last.Wait(t.Context()); err == nil {
		t.Error("all of the flood was taken")
	}
	text, err := io.ReadAll(c)
	if !errors.Is(err, errFlood) || len(text) > (ackBlocks+1+heldBlocks)*block {
		t.Errorf("%d bytes were kept, %v", len(text), err)
	}
}

// A peer that wants smaller blocks than it had negotiated gets them.
func TestOpenWithSmallerBlocks(t *testing.T) {
	r := linktest.NewRouter()
	var sizes []string
	var got []byte
	joinRaw(t, r.Connect(julietJID), map[string]xmpp.Handler{"close": reply, "data": func(_ context.Context, r *xmpp.Request) {
		if len(sizes) < 3 {
			r.Fail(&xmpp.Error{Type: xmpp.Cancel, Condition: xmpp.ItemNotFound})
			return
		}
		seq, block, err := parseData(r.Payload[0], 1024, nil)
		if err != nil || int(seq) != len(got)/1024 {
			t.Errorf("block %d after %d bytes: %v", seq, len(got), err)
		}
		got = append(got, block...)
		r.Reply()
	}, "open": func(_ context.Context, r *xmpp.Request) {
		sizes = append(sizes, r.Payload[0].Attr("block-size"))
		if len(sizes) < 3 {
			r.Fail(&xmpp.Error{Type: xmpp.Modify, Condition: xmpp.ResourceConstraint})
			return
		}
		r.Reply()
	}})
	a := join(t, r.Connect(romeoJID), Config{})
	c, err := a.m.Open(t.Context(), juliet, "s", DefaultBlockSize)
	if err != nil {
		t.Fatal(err)
	}
	sent := payload(10000) // at once, in blocks that are too large: the peer has not agreed to any
	if _, err := c.Write(sent); err != nil {
		t.Fatal(err)
	}
	_ = c.Close() // when all is acknowledged
	if c.BlockSize() != 1024 || strings.Join(sizes, " ") != "4096 2048 1024" {
		t.Errorf("offered %v, and took %d", sizes, c.BlockSize())
	}
	if !bytes.Equal(got, sent) {
		t.Errorf("%d bytes arrived of %d", len(got), len(sent))
	}
}

func TestOpenThatIsRefused(t *testing.T) {
	r := linktest.NewRouter()
	refusals := 0
	joinRaw(t, r.Connect(julietJID), map[string]xmpp.Handler{"open": func(_ context.Context, r *xmpp.Request) {
		refusals++
		r.Fail(&xmpp.Error{Type: xmpp.Modify, Condition: xmpp.ResourceConstraint})
	}})
	a := join(t, r.Connect(romeoJID), Config{})
	var xe *xmpp.Error
	c, err := a.m.Open(t.Context(), juliet, "s", MaxBlockSize)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Write([]byte("ahead")) // which nobody takes
	if _, err := c.Read(make([]byte, 1)); !errors.As(err, &xe) || xe.Condition != xmpp.ResourceConstraint || refusals > 10 {
		t.Errorf("%v after %d refusals", err, refusals)
	}
	if _, err := c.Write([]byte("x")); !errors.As(err, &xe) {
		t.Errorf("a refused stream takes writes: %v", err)
	}
	<-c.finished
	nobody, err := a.m.Open(t.Context(), romeo, "s", 1) // ourselves: nobody expects it
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nobody.Read(make([]byte, 1)); err == nil {
		t.Error("a stream to nobody is open")
	}
	<-nobody.finished
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	if len(a.m.conns) != 0 {
		t.Error("a refused stream is kept")
	}
}

func TestLimitsAndDoubles(t *testing.T) {
	r := linktest.NewRouter()
	b := join(t, r.Connect(julietJID), Config{MaxStreams: 2})
	p, err := b.m.Expect(romeo, "1", 10)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.m.Attach(romeo, "1", 10); !errors.Is(err, ErrInUse) {
		t.Errorf("one sid twice: %v", err)
	}
	if _, err := b.m.Attach(romeo, "2", 10); err != nil {
		t.Error(err)
	}
	if _, err := b.m.Expect(romeo, "3", 10); !errors.Is(err, ErrTooMany) {
		t.Errorf("a third: %v", err)
	}
	p.Cancel()
	if _, err := b.m.Expect(romeo, "3", 10); err != nil {
		t.Errorf("after Cancel: %v", err)
	}
	for _, size := range []int{0, -1, MaxBlockSize + 1} {
		if _, err := b.m.Expect(romeo, "4", size); err == nil {
			t.Errorf("block size %d was taken", size)
		}
	}
	b.m.Close()
	if _, err := b.m.Attach(romeo, "5", 10); !errors.Is(err, xmpp.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestPendingEnds(t *testing.T) {
	r := linktest.NewRouter()
	p, b := joinRaw(t, r.Connect(romeoJID), map[string]xmpp.Handler{"close": reply}), join(t, r.Connect(julietJID), Config{})
	pending, err := b.m.Expect(romeo, "s", 10)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pending.Accept(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Accept: %v", err)
	}
	if got := p.ask(t, open{"s", 10}.element()); got != "" {
		t.Fatal(got)
	}
	b.m.mu.Lock()
	c := b.m.conns[key{romeoJID, "s"}]
	b.m.mu.Unlock()
	pending.Cancel() // opened, and nobody took it
	<-c.finished
	if got := p.ask(t, dataText(0, "eA==")); got != xmpp.ItemNotFound {
		t.Errorf("data after Cancel: %q", got)
	}
	again, err := b.m.Expect(romeo, "t", 10)
	if err != nil {
		t.Fatal(err)
	}
	_ = b.link.Close()
	if _, err := again.Accept(t.Context()); !errors.Is(err, xmpp.ErrClosed) {
		t.Errorf("Accept after the end of the link: %v", err)
	}
}

func TestTransport(t *testing.T) {
	for _, ns := range []string{NSTransport, NSTransport0} {
		want := Transport{ns, "ch3d9s71", 4096}
		text := `<transport xmlns='` + ns + `' block-size='4096' sid='ch3d9s71'/>`
		if got, err := ParseTransport(element(t, text)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		if got := want.Element().String(); got != text {
			t.Errorf("wrote %s, want %s", got, text)
		}
	}
	for _, text := range []string{
		`<transport xmlns='urn:xmpp:jingle:transports:ibb:2' block-size='4096' sid='s'/>`,
		`<transport xmlns='` + NSTransport + `' sid='s'/>`,
		`<transport xmlns='` + NSTransport + `' block-size='0' sid='s'/>`,
		`<transport xmlns='` + NSTransport + `' block-size='65536' sid='s'/>`,
		`<transport xmlns='` + NSTransport + `' block-size='4096'/>`,
		`<transport xmlns='` + NSTransport + `' block-size='4096' sid='s' stanza='message'/>`,
	} {
		if got, err := ParseTransport(element(t, text)); err == nil {
			t.Errorf("%s: read as %+v", text, got)
		}
	}
}

func FuzzParseTransport(f *testing.F) {
	f.Add(`<transport xmlns='urn:xmpp:jingle:transports:ibb:0' block-size='4096' sid='ch3d9s71'/>`)
	f.Add(`<transport xmlns='urn:xmpp:jingle:transports:ibb:1' block-size='65535' sid='s' stanza='iq'/>`)
	f.Add(`<open xmlns='http://jabber.org/protocol/ibb' block-size='4096' sid='i781hf64' stanza='iq'/>`)
	f.Fuzz(func(t *testing.T, text string) {
		el, err := xmpp.ParseElement([]byte(text), xmpp.Limits{})
		if err != nil {
			return
		}
		_, _ = parseOpenAttrs(el)
		tr, err := ParseTransport(el)
		if err != nil {
			return
		}
		if again, err := ParseTransport(element(t, tr.Element().String())); err != nil || again != tr {
			t.Fatalf("%+v became %+v, %v", tr, again, err)
		}
	})
}

func FuzzParseData(f *testing.F) {
	f.Add("0", "qANQR1DBwU4DX7jmYZnncm==")
	f.Add("65535", "")
	f.Add("1", "=AAA")
	f.Add("2", "BBBB=CCC")
	f.Fuzz(func(t *testing.T, seq, text string) {
		el := xmpp.NewText(NS, "data", text).With("seq", seq)
		n, block, err := parseData(el, 100, nil)
		if err != nil {
			return
		}
		if len(block) > 100 {
			t.Fatalf("%d bytes", len(block))
		}
		// Base64 has one writing: there is no covert channel in it (XEP-0047 §6).
		if again := dataElement("s", n, block); again.Text() != text {
			t.Fatalf("%q was read as %q", text, again.Text())
		}
	})
}
