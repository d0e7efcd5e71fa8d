package memconn

import (
	"io"
	"testing"
)

func TestBothWays(t *testing.T) {
	a, b := Pair()
	for _, end := range [][2]*Conn{{a, b}, {b, a}} {
		from, to := end[0], end[1]
		for _, s := range []string{"hello", ", ", "world"} {
			if _, err := io.WriteString(from, s); err != nil {
				t.Fatal(err)
			}
		}
		got := make([]byte, 7)
		if _, err := io.ReadFull(to, got); err != nil || string(got) != "hello, " {
			t.Errorf("%q, %v", got, err)
		}
		if n, err := to.Read(got); string(got[:n]) != "world" || err != nil {
			t.Errorf("%q, %v", got[:n], err)
		}
		if from.Written() != 12 {
			t.Errorf("%d bytes were counted", from.Written())
		}
	}
}

func TestReadWaits(t *testing.T) {
	a, b := Pair()
	done := make(chan string)
	go func() {
		got, err := io.ReadAll(b)
		if err != nil {
			t.Error(err)
		}
		done <- string(got)
	}()
	_, _ = io.WriteString(a, "late")
	_ = a.Close()
	if got := <-done; got != "late" {
		t.Errorf("%q", got)
	}
	if _, err := a.Write([]byte{1}); err != io.ErrClosedPipe {
		t.Errorf("a closed connection took a byte: %v", err)
	}
}
