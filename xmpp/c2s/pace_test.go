package c2s_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
)

// pace is the link's own.
const pace = 100 * time.Millisecond

// While there is traffic both ways, a server that asks after each stanza is told, and a server that answers each question is asked, once in a
// while, and about the last stanza too.
func TestPace(t *testing.T) {
	t.Parallel()
	const stanzas = 100
	h := newHost(t)
	begun, counts := make(chan bool), make(chan map[string]int, 1)
	l, err := h.dial(t, func(f *fake) {
		f.managed("id='stream1' resume='true'")
		<-begun
		go func() {
			for range stanzas {
				_, _ = f.conn.Write([]byte("<message/><r xmlns='" + nsSM + "'/>")) // a test that has ended has said why
				time.Sleep(5 * time.Millisecond)
			}
		}()
		n, told := map[string]int{}, false
		for asked := false; !asked || !told; {
			el := f.read()
			n[el.Name.Local]++
			switch {
			case el.Is(nsSM, "r"):
				asked = n[xmpp.Message] == stanzas
				f.raw(fmt.Sprintf("<a xmlns='%s' h='%d'/>", nsSM, n[xmpp.Message]))
			case el.Is(nsSM, "a"):
				told = el.Attr("h") == fmt.Sprint(stanzas)
			}
		}
		counts <- n
	})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	close(begun)
	for range stanzas {
		send(t, l, "m")
		time.Sleep(5 * time.Millisecond)
	}
	n := <-counts
	if took := time.Since(start); took > 5*time.Second { // the keeper sleeps for 10
		t.Errorf("the last was settled after %v", took)
	}
	if most := int(time.Since(start)/pace) + stanzas/64 + 1; n["r"] > most || n["a"] > most {
		t.Errorf("in %v asked %d times, told %d times", time.Since(start), n["r"], n["a"])
	}
}

// The first stanza after a pause takes its question with it, and the server's question after a pause is answered at once.
func TestNoPaceAfterAPause(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	took := make(chan time.Duration, 1)
	l, err := h.dial(t, func(f *fake) {
		f.managed("id='stream1' resume='true'")
		for i := 1; ; i++ {
			f.stanza()
			if el := f.read(); !el.Is(nsSM, "r") {
				t.Errorf("got %v behind a stanza", el)
			}
			f.raw(fmt.Sprintf("<a xmlns='%s' h='%d'/><message/><r xmlns='%[1]s'/>", nsSM, i))
			start := time.Now()
			if el := f.read(); !el.Is(nsSM, "a") {
				t.Errorf("got %v for an answer", el)
			}
			took <- time.Since(start)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for try := 1; ; try++ { // on a machine that does other things
		send(t, l, "m")
		d := <-took
		if d < pace/2 {
			return
		}
		if try == 20 {
			t.Fatalf("a question after a pause was answered after %v", d)
		}
		time.Sleep(2 * pace)
	}
}

// Much that is not acknowledged is asked about at once: a fast line does not wait for the pace.
func TestNoPaceForMuch(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	const rounds = 20
	done := make(chan bool)
	l, err := h.dial(t, func(f *fake) {
		f.managed("id='stream1' resume='true'")
		for i := range rounds {
			f.stanza()
			if el := f.read(); !el.Is(nsSM, "r") {
				t.Errorf("got %v behind a stanza", el)
			}
			f.raw(fmt.Sprintf("<a xmlns='%s' h='%d'/>", nsSM, i+1))
		}
		close(done)
		f.idle()
	}, func(cfg *c2s.Config) { cfg.Unacknowledged = 2000 })
	if err != nil {
		t.Fatal(err)
	}
	big := message("m")
	big.Payload = []*xmpp.Element{xmpp.NewText(xmpp.NSClient, "body", strings.Repeat("x", 2000))}
	start := time.Now()
	for range rounds {
		if err := l.WriteStanza(big); err != nil {
			t.Fatal(err)
		}
	}
	<-done
	if took := time.Since(start); took > rounds*pace*3/4 {
		t.Errorf("%d rounds took %v", rounds, took)
	}
}
