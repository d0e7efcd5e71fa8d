package main

import (
	"errors"
	"io"
	"log/slog"
	"strings"
	"syscall/js"
	"testing"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
)

// pipes is a class of JavaScript: two links, joined in memory. A write waits until it is read, so that a peer who does
// not read makes writers wait.
const pipes = `
class End {
	constructor(local, remote) { this.local = local; this.remote = remote; this.queue = []; this.waiting = []; }
	send(item) {
		return new Promise((resolve) => {
			this.peer.queue.push({ item, resolve });
			this.peer.pump();
		});
	}
	pump() {
		while (this.queue.length && this.waiting.length) {
			const { item, resolve } = this.queue.shift();
			resolve();
			this.waiting.shift()(item);
		}
	}
	read() {
		const item = new Promise((resolve) => { this.waiting.push(resolve); this.pump(); });
		return item.then((v) => { if (v === this.lost) throw new Error("lost"); return v; });
	}
	write(stanza) { return this.send(stanza); }
	close() { this.send(null); return Promise.resolve(); }
	cut() { this.queue = []; this.peer.send.call(this.peer, this.lost); }
}
End.prototype.lost = {};
return (a, b) => {
	const x = new End(a, b), y = new End(b, a);
	x.peer = y; y.peer = x;
	return [x, y];
};
`

// makeEnds returns two joined objects as [link] wants them.
func makeEnds(a, b string) (x, y js.Value) {
	pair := js.Global().Get("Function").New(pipes).Invoke().Invoke(a, b)
	return pair.Index(0), pair.Index(1)
}

func mustLink(t *testing.T, object js.Value) *link {
	t.Helper()
	l, err := newLink(object, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A link of JavaScript keeps the contract of every link.
func TestLinkKeepsTheContract(t *testing.T) {
	linktest.Run(t, func(t *testing.T) linktest.Ends {
		x, y := makeEnds("romeo@browser", "box@lan")
		return linktest.Ends{A: mustLink(t, x), B: mustLink(t, y), Cut: func() { x.Call("cut") }}
	}, linktest.Caps{})
}

// On a direct link addresses are the link's; behind a server they are what the server says.
func TestFromIsTheLinksOrTheServers(t *testing.T) {
	const text = `<presence from='mallory@evil.example/x' to='nobody@nowhere'/>`
	x, y := makeEnds("romeo@browser", "box@lan")
	y.Call("write", text)
	if st, err := mustLink(t, x).ReadStanza(); err != nil || st.From.String() != "box@lan" || st.To.String() != "romeo@browser" {
		t.Errorf("direct: %+v, %v", st, err)
	}
	server, peer := makeEnds("romeo@home.example/r", "")
	server.Set("remote", js.Undefined())
	l := mustLink(t, server)
	peer.Call("write", text)
	if st, err := l.ReadStanza(); err != nil || st.From.String() != "mallory@evil.example/x" {
		t.Errorf("server: %+v, %v", st, err)
	}
	peer.Call("write", `<iq type='result' id='1'/>`)
	if st, err := l.ReadStanza(); err != nil || st.From.String() != "romeo@home.example" || !st.To.Equal(l.local) {
		t.Errorf("server, without from: %+v, %v", st, err)
	}
	written := peer.Call("read")
	if err := l.WriteStanza(&xmpp.Stanza{Kind: xmpp.Message, From: jid.MustParse("a@b"), To: jid.MustParse("c@d")}); err != nil {
		t.Fatal(err)
	}
	if got, err := await(nil, written); err != nil || got.String() != `<message xmlns='jabber:client' to='c@d'/>` {
		t.Errorf("written to a server: %v, %v", got, err)
	}
}

// Anybody can send through a server: what cannot be read does not end that link, but a direct one.
func TestUnreadableStanzasEndDirectLinksOnly(t *testing.T) {
	for name, bad := range map[string]any{
		"text":         "hello",
		"nothing":      "",
		"two":          "<presence/><presence/>",
		"end tag":      "</stream><presence/>",
		"cut short":    "<presence><c",
		"no stanza":    "<features/>",
		"iq without":   "<iq type='get'/>",
		"doctype":      "<!DOCTYPE x><presence/>",
		"bad address":  "<presence from='@'/>",
		"too big":      "<presence>" + strings.Repeat(" ", maxStanza) + "</presence>",
		"deep":         strings.Repeat("<presence>", 40) + strings.Repeat("</presence>", 40),
		"number":       7,
		"object":       map[string]any{"toString": 1},
		"other stream": "<presence xmlns='urn:other'/>",
	} {
		t.Run(name, func(t *testing.T) {
			server, peer := makeEnds("romeo@home.example/r", "")
			server.Set("remote", js.Null())
			peer.Call("write", bad)
			peer.Call("write", "<presence from='box@home.example/x'/>")
			if st, err := mustLink(t, server).ReadStanza(); err != nil || st.From.Localpart() != "box" {
				t.Errorf("server: %+v, %v", st, err)
			}
			x, y := makeEnds("romeo@browser", "box@lan")
			y.Call("write", bad)
			st, err := mustLink(t, x).ReadStanza()
			if readable := name == "bad address"; (err == nil) != readable { // which a direct link does not look at
				t.Errorf("direct: %+v, %v", st, err)
			}
		})
	}
}

// What is wrong with a link is told when it is made.
func TestLinkIsCheckedWhenItIsMade(t *testing.T) {
	for name, spoil := range map[string]func(js.Value){
		"no read":          func(v js.Value) { v.Set("read", js.Null()) },
		"bad address":      func(v js.Value) { v.Set("local", "@") },
		"address a number": func(v js.Value) { v.Set("remote", 7) },
		"bare at a server": func(v js.Value) { v.Set("remote", js.Undefined()) },
	} {
		x, _ := makeEnds("romeo@browser", "box@lan")
		spoil(x)
		var usage usageError
		if _, err := newLink(x, nil); !errors.As(err, &usage) || code(err) != "usage" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := newLink(js.Undefined(), nil); err == nil {
		t.Error("undefined is a link")
	}
}

// A method that throws, or a promise that rejects, is an error that holds what was thrown.
func TestExceptionsAreErrors(t *testing.T) {
	x, _ := makeEnds("romeo@browser", "box@lan")
	x.Set("read", js.Global().Get("Function").New("throw new Error('broken')"))
	_, err := mustLink(t, x).ReadStanza()
	if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "broken") {
		t.Errorf("read throws: %v", err)
	}
	x, _ = makeEnds("romeo@browser", "box@lan")
	x.Set("write", js.Global().Get("Function").New("return Promise.reject('no')"))
	err = mustLink(t, x).WriteStanza(&xmpp.Stanza{Kind: xmpp.Presence})
	if err == nil || errorValue(err).Get("cause").String() != "no" {
		t.Errorf("write rejects: %v", err)
	}
}
