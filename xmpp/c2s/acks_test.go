package c2s_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
)

// What is not acknowledged is bounded: a writer waits for the server, and Close frees him.
func TestBackPressure(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	release := make(chan struct{})
	l, err := h.dial(t, func(f *fake) {
		f.managed("id='stream1' resume='true'")
		for range 5 {
			f.stanza()
		}
		<-release
		f.raw("<a xmlns='" + nsSM + "' h='5'/>")
		f.idle()
	}, func(cfg *c2s.Config) { cfg.Unacknowledged = 5000 })
	if err != nil {
		t.Fatal(err)
	}
	big := message("m")
	big.Payload = []*xmpp.Element{xmpp.NewText(xmpp.NSClient, "body", strings.Repeat("x", 1000))}
	written := make(chan int, 20)
	go func() {
		defer close(written)
		for i := range 20 {
			if l.WriteStanza(big) != nil {
				return
			}
			written <- i
		}
	}()
	count := func() int { time.Sleep(200 * time.Millisecond); return len(written) }
	if n := count(); n != 5 {
		t.Errorf("wrote %d stanzas", n)
	}
	close(release)
	if n := count(); n != 10 {
		t.Errorf("wrote %d stanzas", n)
	}
	_ = l.Close()
	n := 0
	for range written {
		n++
	}
	if n != 10 {
		t.Errorf("wrote %d stanzas", n)
	}
}

// The server is told how much has come when it asks, now and then unasked, and before the end.
func TestAcknowledges(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	told := make(chan string, 100)
	l, err := h.dial(t, func(f *fake) {
		f.managed("id='stream1' resume='true'")
		f.raw("<message id='1'/><r xmlns='" + nsSM + "'/>")
		told <- f.read().String()
		f.raw(strings.Repeat("<message/>", 64))
		told <- f.read().String()
		f.raw("<message id='last'/>")
		told <- f.read().String()
		_, err := f.framer.ReadElement()
		told <- fmt.Sprint(err)
	})
	if err != nil {
		t.Fatal(err)
	}
	for {
		st, err := l.ReadStanza()
		if err != nil {
			t.Fatal(err)
		}
		if st.ID == "last" {
			break
		}
	}
	_ = l.Close()
	for _, want := range []string{"h='1'", "h='65'", "h='66'", io.EOF.Error()} {
		if got := <-told; !strings.Contains(got, want) {
			t.Errorf("told %s, want %s", got, want)
		}
	}
}
