package state

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"golang.org/x/crypto/cryptobyte"

	"xtls-agent/internal/state/vfs"
)

// MaxEntry is the largest entry of a log, in bytes.
const MaxEntry = 1 << 18

// MaxLog is how large the file of a log may get, in bytes. [Log.Append] fails beyond it, until [Log.Rewrite].
const MaxLog = 1 << 22

// A log on disk is a magic and, for each entry, in network byte order:
//
//	length[4] sum[32] data[length]
//
// sum is SHA-256 over the sum before it, the length and the data; the first one's goes over the name. So an entry counts only
// behind those that were before it, and what is left of a longer file never does.
const (
	logMagic  = "xtlslog1"
	logSuffix = ".log"
)

// Log is a file that grows by entries: for what is written often and read at the start only. There is one copy of it. It is not
// for what must never be lost, but for what one must know to be lost.
type Log struct {
	dir  *Dir
	name string

	mu   sync.Mutex // guards what follows
	file vfs.File   // nil if what is on disk cannot be added to
	size int
	sum  [sha256.Size]byte
}

// Log opens a log, and returns the entries that it holds. whole tells whether these are all that were ever appended since the
// last Rewrite: false if the file is missing, or ends in what is no entry. That may be one that a power cut kept from being
// acknowledged, or one that a card has lost.
//
// Call Rewrite before the first Append. After an error the log is there all the same, without entries, unless the name is wrong.
func (d *Dir) Log(name string) (l *Log, entries [][]byte, whole bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check("reading", name); err != nil {
		return nil, nil, false, err
	}
	l = &Log{dir: d, name: name}
	b, err := d.folder.ReadFile(name+logSuffix, MaxLog)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil, false, nil
	}
	if err != nil {
		return l, nil, false, fmt.Errorf("state: reading %s in %s: %w", name+logSuffix, d.path, err)
	}
	entries, whole = decodeLog(name, b)
	return l, entries, whole, nil
}

// Append adds an entry. When it returns nil the entry is durable. When it fails, the log takes no more until Rewrite.
func (l *Log) Append(entry []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return fmt.Errorf("state: appending to %s in %s: %w", l.name+logSuffix, l.dir.path, fs.ErrClosed)
	}
	b, sum, err := appendEntry(nil, l.sum, entry)
	if err == nil && l.size+len(b) > MaxLog {
		err = fmt.Errorf("more than %d bytes", MaxLog)
	}
	if err != nil {
		return fmt.Errorf("state: appending to %s in %s: %w", l.name+logSuffix, l.dir.path, err)
	}
	if _, err = l.file.Write(b); err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		_ = l.file.Close()
		l.file = nil // it may end in half an entry now
		return fmt.Errorf("state: appending to %s in %s: %w", l.name+logSuffix, l.dir.path, err)
	}
	l.size, l.sum = l.size+len(b), sum
	return nil
}

// Rewrite makes entries all that the log holds. When it returns nil that is durable; when it fails, the log holds what it held, or
// them.
func (l *Log) Rewrite(entries [][]byte) error {
	b, sum := append([]byte(nil), logMagic...), firstSum(l.name)
	for _, e := range entries {
		var err error
		if b, sum, err = appendEntry(b, sum, e); err != nil {
			return fmt.Errorf("state: writing %s in %s: %w", l.name+logSuffix, l.dir.path, err)
		}
	}
	if len(b) > MaxLog {
		return fmt.Errorf("state: writing %s in %s: %d bytes are more than the %d allowed", l.name+logSuffix, l.dir.path, len(b), MaxLog)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		_ = l.file.Close() // all that counts was synced
		l.file = nil
	}
	file, err := l.dir.start(l.name, b)
	if err != nil {
		return err
	}
	l.file, l.size, l.sum = file, len(b), sum
	return nil
}

// Size is how large the file is, in bytes.
func (l *Log) Size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size
}

// Close ends it; what was appended stays.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	file := l.file
	l.file = nil
	return file.Close()
}

// start puts a new file in the place of a log, durably, and leaves it open.
func (d *Dir) start(name string, b []byte) (vfs.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check("writing", name); err != nil {
		return nil, err
	}
	file := name + logSuffix
	f, err := d.writeTemp(file+tempSuffix, b)
	if err != nil {
		d.removeTemps([]string{file})
		return nil, fmt.Errorf("state: writing %s in %s: %w", file+tempSuffix, d.path, err)
	}
	if err = f.Sync(); err == nil {
		err = d.folder.Rename(file+tempSuffix, file)
	}
	if err != nil {
		_ = f.Close()
		d.removeTemps([]string{file})
		return nil, fmt.Errorf("state: replacing %s in %s: %w", file, d.path, err)
	}
	if err := d.sync(); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func firstSum(name string) [sha256.Size]byte { return sha256.Sum256([]byte(logMagic + name)) }

// appendEntry adds an entry to the bytes of a log whose last sum is known, and returns the new one's.
func appendEntry(b []byte, last [sha256.Size]byte, entry []byte) ([]byte, [sha256.Size]byte, error) {
	if len(entry) > MaxEntry {
		return nil, last, fmt.Errorf("an entry of %d bytes is larger than the %d allowed", len(entry), MaxEntry)
	}
	sum := entrySum(last, entry)
	b = binary.BigEndian.AppendUint32(b, uint32(len(entry)))
	b = append(b, sum[:]...)
	return append(b, entry...), sum, nil
}

func entrySum(last [sha256.Size]byte, entry []byte) [sha256.Size]byte {
	h := sha256.New()
	h.Write(last[:])
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(entry))))
	h.Write(entry)
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	return sum
}

// decodeLog returns the entries of a log up to the first that is none, and whether that is all.
func decodeLog(name string, b []byte) (entries [][]byte, whole bool) {
	s := cryptobyte.String(b)
	var head []byte
	if !s.ReadBytes(&head, len(logMagic)) || string(head) != logMagic || len(b) > MaxLog {
		return nil, false
	}
	for last := firstSum(name); !s.Empty(); {
		var length uint32
		var sum, data []byte
		if !s.ReadUint32(&length) || length > MaxEntry || !s.ReadBytes(&sum, sha256.Size) || !s.ReadBytes(&data, int(length)) {
			return entries, false
		}
		want := entrySum(last, data)
		if subtle.ConstantTimeCompare(want[:], sum) != 1 {
			return entries, false
		}
		entries, last = append(entries, slices.Clone(data)), want
	}
	return entries, true
}
