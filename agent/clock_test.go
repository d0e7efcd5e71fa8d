package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/internal/testpeer"
	"xtls-agent/trust"
	"xtls-agent/xmpp/form"
)

// wall is a clock that is set while it runs, as a Pi's is once it has reached a time server.
type wall struct{ behind atomic.Int64 }

func (w *wall) now() time.Time { return time.Now().Add(-time.Duration(w.behind.Load())) }

func in1970() *wall {
	w := &wall{}
	w.behind.Store(int64(time.Since(time.Unix(1000, 0))))
	return w
}

func (w *wall) set() { w.behind.Store(0) }

// DESIGN §5: a Pi boots in 1970. Pins work, on the LAN everything does; the display says that the clock is not set,
// and what depends on dates, the server's certificate, waits until it is.
func TestClockIn1970(t *testing.T) {
	server := testpeer.Prosody(t, testpeer.XMPPOptions{})
	for _, link := range []string{"c2s", "go-xmpp"} {
		t.Run(link, func(t *testing.T) {
			t.Parallel()
			account, password := server.Account(t, "box-"+link)
			file := filepath.Join(t.TempDir(), "password")
			if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
				t.Fatal(err)
			}
			clock, store := in1970(), trust.NewMemStore()
			b := startBox(t, store, fmt.Sprintf("[xmpp]\njid = %q\npassword_file = %q\nserver = %q\nca_file = %q\nlink = %q\n",
				account, file, server.Addr, server.CAFile, link), func(e *Env) { e.Now = clock.now })
			b.screen.waitFor(t, "The clock is not set.")
			keys := newKeys(t, "phone")
			p := pairOn(t, b, keys, "romeo@phone")
			defer p.Session.Close()
			if res, err := call(t, p.Session, "status", form.Values{}); err != nil || !strings.Contains(res.Text(), "(not set)") || !strings.Contains(res.Text(), "1970-01-01") {
				t.Errorf("status %+v, %v", res, err)
			}
			clock.set()
			online := func() bool {
				res, err := call(t, p.Session, "status", form.Values{})
				return err == nil && strings.Contains(res.Text(), link+" "+account+"/") && strings.Contains(res.Text(), ": online")
			}
			for deadline := time.Now().Add(30 * time.Second); !online(); time.Sleep(200 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("not online 30 s after the clock was set")
				}
			}
			s, err := dial(t, b, keys, "romeo@phone").Open(t.Context(), jid.JID{})
			if err != nil {
				t.Fatalf("an identity made in 1970: %v", err)
			}
			s.Close()
		})
	}
}
