package xmpp

import "bufio"

// meter hands out at most left bytes, then fails with ErrTooBig. It remembers its error. Each byte of a stream passes here by itself, so it
// takes them from what r has buffered, and asks r when that is used up.
type meter struct {
	r     *bufio.Reader
	ahead []byte // what r has buffered; valid until r is read from
	used  int    // so many bytes of it
	past  int64  // bytes of r before those
	taken int64  // of all these, past encoding/xml
	left  int
	err   error
}

func (m *meter) ReadByte() (byte, error) {
	if m.left <= 0 {
		m.err = ErrTooBig
		return 0, m.err
	}
	if m.used == len(m.ahead) && m.fill() != nil {
		return 0, m.err
	}
	b := m.ahead[m.used]
	m.used++
	m.left--
	return b, nil
}

// fill waits until r has something that was not handed out. An error is there to stay.
func (m *meter) fill() error {
	if m.err != nil {
		return m.err
	}
	_, _ = m.r.Discard(m.used) // it is buffered
	m.past += int64(m.used)
	m.ahead, m.used = nil, 0
	if _, m.err = m.r.Peek(1); m.err == nil {
		m.ahead, _ = m.r.Peek(m.r.Buffered())
	}
	return m.err
}

// plain appends what comes next to dst, up to the first byte that does not stand for itself or might not, and returns whether that begins
// markup. An error is met again by who reads on.
func (m *meter) plain(dst []byte) (text []byte, whole bool) {
	for m.left > 0 {
		if m.used == len(m.ahead) && m.fill() != nil {
			break
		}
		rest := m.ahead[m.used:]
		rest = rest[:min(len(rest), m.left)]
		n := plainLen(rest)
		dst = append(dst, rest[:n]...)
		m.used += n
		m.left -= n
		m.taken += int64(n)
		if n < len(rest) {
			return dst, rest[n] == '<'
		}
	}
	return dst, false
}

// handed returns how many bytes were handed out one by one.
func (m *meter) handed() int64 { return m.past + int64(m.used) - m.taken }

// justRead reports whether c was handed out before the last byte, or may have been.
func (m *meter) justRead(c byte) bool { return m.used < 2 || m.ahead[m.used-2] == c }

func (m *meter) buffered() int { return m.r.Buffered() - m.used }

// Read exists because xml.NewDecoder takes an io.Reader; it uses ReadByte where there is one.
func (m *meter) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b, err := m.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = b
	return 1, nil
}
