package ibb

import (
	"io"
	"sync"
	"testing"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
)

// BenchmarkConn moves data between two sessions in one process: what the stream itself costs.
func BenchmarkConn(b *testing.B) {
	r := linktest.NewRouter()
	var serving sync.WaitGroup
	entity := func(address string) (*xmpp.Session, *Manager) {
		s := xmpp.NewSession(r.Connect(address), nil)
		m := NewManager(s, Config{})
		serving.Go(func() { _ = s.Serve(b.Context()) })
		return s, m
	}
	sa, ma := entity(romeoJID)
	sb, mb := entity(julietJID)
	from, err := ma.Attach(juliet, "s", DefaultBlockSize)
	if err != nil {
		b.Fatal(err)
	}
	to, err := mb.Attach(romeo, "s", DefaultBlockSize)
	if err != nil {
		b.Fatal(err)
	}
	block := make([]byte, DefaultBlockSize)
	b.SetBytes(DefaultBlockSize)
	var writing sync.WaitGroup
	writing.Go(func() {
		for range b.N {
			if _, err := from.Write(block); err != nil {
				b.Error(err)
				return
			}
		}
	})
	if _, err := io.CopyN(io.Discard, to, int64(b.N)*DefaultBlockSize); err != nil {
		b.Error(err)
	}
	writing.Wait()
	_ = from.Close()
	_ = to.Close()
	_, _ = sa.Close(), sb.Close()
	serving.Wait()
}
