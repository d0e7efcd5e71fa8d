package c2s_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp/c2s"
)

// memTokens is a store in memory. Save fails while broken.
type memTokens struct {
	mu     sync.Mutex
	data   []byte
	saves  int
	broken bool
}

func (m *memTokens) Load() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.data == nil {
		return nil, fs.ErrNotExist
	}
	return m.data, nil
}

func (m *memTokens) Save(data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken {
		return errors.New("no room")
	}
	m.data = bytes.Clone(data)
	m.saves++
	return nil
}

// field reads what was saved; change changes it.
func (m *memTokens) field(name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all map[string]any
	_ = json.Unmarshal(m.data, &all)
	s, _ := all[name].(string)
	return s
}

func (m *memTokens) change(name string, value any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all map[string]any
	_ = json.Unmarshal(m.data, &all)
	all[name] = value
	m.data, _ = json.Marshal(all)
}

// lockedBuffer is a log that many write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func logged(cfg *c2s.Config) *lockedBuffer {
	out := &lockedBuffer{}
	cfg.Log = slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return out
}

// XEP-0484 on the real servers: the second login is by token, a token that is refused falls back to the password once, and none
// of it is in the log.
func testToken(t *testing.T, cfg c2s.Config) {
	store := &memTokens{}
	cfg.Tokens = store
	log := logged(&cfg)
	first := dial(t, cfg)
	agent, token := store.field("agent"), store.field("token")
	if token == "" || agent == "" || !first.Managed() {
		t.Fatalf("no token, or no stream management: %s", log)
	}
	_ = first.Close()
	password := cfg.Password
	cfg.Password = func() (string, error) { t.Error("the password was asked for"); return "", errors.New("none") }
	second := dial(t, cfg)
	if store.field("agent") != agent || !second.Managed() || !strings.Contains(log.String(), "mechanism="+store.field("mechanism")) {
		t.Errorf("logged in otherwise: %s", log)
	}
	_ = second.Close()
	cfg.Password = password
	store.change("token", "wrong")
	_ = dial(t, cfg).Close()
	if store.field("token") == "wrong" || store.field("token") == "" {
		t.Errorf("the token is now %q", store.field("token"))
	}
	for _, secret := range []string{token, store.field("token")} {
		if strings.Contains(log.String(), secret) {
			t.Error("a token is in the log")
		}
	}
	t.Log(store.field("mechanism"))
}

// flights counts how often a connection speaks after it has listened: what leaves in one flight needs no answer in between.
type flights struct {
	net.Conn
	mu     *sync.Mutex
	count  *int
	listen bool
}

func (f *flights) Write(p []byte) (int, error) {
	f.mu.Lock()
	if f.listen {
		*f.count++
	}
	f.listen = false
	f.mu.Unlock()
	return f.Conn.Write(p)
}

func (f *flights) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	f.mu.Lock()
	f.listen = f.listen || n > 0
	f.mu.Unlock()
	return n, err
}

// XEP-0305: a stream is resumed two round trips after TCP, and TLS needs one of them.
func testFlights(t *testing.T, s *testpeer.XMPPServer, cfg c2s.Config) {
	relay := testpeer.NewRelay(t, s.DirectAddr)
	cfg.Server, cfg.Mode = relay.Addr, c2s.DirectTLS
	var mu sync.Mutex
	var last *int
	cfg.Dialer = dialerFunc(func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		mu.Lock()
		defer mu.Unlock()
		last = new(int)
		return &flights{Conn: conn, mu: &mu, count: last, listen: true}, err
	})
	took := func() int { mu.Lock(); defer mu.Unlock(); return *last }
	l := dial(t, cfg)
	t.Log("a login by password takes", took())
	took2 := make(chan int, 1)
	l.Notify(func(c c2s.Change) {
		if !c.Resuming {
			took2 <- took()
		}
	})
	time.Sleep(100 * time.Millisecond) // TLS tickets come after the handshake
	relay.Cut()
	select {
	case n := <-took2:
		if n != 2 {
			t.Errorf("resuming takes %d round trips", n)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("not resumed")
	}
}
