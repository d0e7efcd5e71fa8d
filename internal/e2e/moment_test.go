package e2e

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// renames tells of each file in a folder that was put under its name, at once: it is how a program makes a copy of
// something the new one.
type renames struct {
	inotify *os.File
	reading sync.WaitGroup

	mu   sync.Mutex // guards what follows
	more *sync.Cond
	seen []string
}

// watchRenames watches a folder until the test ends.
func (w *world) watchRenames(folder string) *renames {
	w.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		w.Fatal(err)
	}
	r := &renames{inotify: os.NewFile(uintptr(fd), "inotify")}
	r.more = sync.NewCond(&r.mu)
	if _, err := unix.InotifyAddWatch(fd, folder, unix.IN_MOVED_TO); err != nil {
		w.Fatalf("watching %s: %v", folder, err)
	}
	r.reading.Go(r.read)
	w.Cleanup(func() {
		_ = r.inotify.Close()
		r.reading.Wait()
	})
	return r
}

func (r *renames) read() {
	buf := make([]byte, 64<<10)
	for {
		n, err := r.inotify.Read(buf)
		if err != nil {
			return
		}
		r.note(buf[:n])
	}
}

// note reads the events: inotify(7), struct inotify_event.
func (r *renames) note(events []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(events) >= unix.SizeofInotifyEvent {
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(events[12:]))
		name, _, _ := bytes.Cut(events[unix.SizeofInotifyEvent:end], []byte{0})
		r.seen = append(r.seen, string(name))
		events = events[end:]
	}
	r.more.Broadcast()
}

// count is how many copies of a file there have been.
func (r *renames) count(file string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, name := range r.seen {
		if strings.TrimSuffix(strings.TrimSuffix(name, ".a"), ".b") == file {
			n++
		}
	}
	return n
}

// all is how many copies there have been.
func (r *renames) all() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seen)
}

// soon waits for a moment that a test wants to hit, and reports whether it came before gone was closed. It looks more
// often than waitUntil does.
func soon(came func() bool, gone <-chan struct{}) bool {
	for !came() {
		select {
		case <-gone:
			return came()
		case <-time.After(500 * time.Microsecond):
		}
	}
	return true
}

// copyFolder copies the files of a state folder that a program may be using: each is replaced as a whole.
func (w *world) copyFolder(from string) string {
	w.Helper()
	to := w.T.TempDir()
	entries, err := os.ReadDir(from)
	if err != nil {
		w.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(from + "/" + e.Name())
		if errors.Is(err, os.ErrNotExist) { // a temporary one
			continue
		}
		if err == nil {
			err = os.WriteFile(to+"/"+e.Name(), data, 0o600)
		}
		if err != nil {
			w.Fatal(err)
		}
	}
	return to
}
