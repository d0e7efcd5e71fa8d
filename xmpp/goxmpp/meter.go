package goxmpp

import (
	"bytes"
	"errors"
	"regexp"
	"sync"

	"xtls-agent/xmpp"
)

// errRedirected is how a login ends whose server names another host (RFC 6120 §4.9.3.19): the library would dial that
// one by itself, past the relay.
var errRedirected = errors.New("the server sends clients to another host: give that one with server = \"host:port\"")

// refusal is why the meter ends a login.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// readAhead is what the library may have read of the stanzas after the one that it works on.
const readAhead = 8 << 10

// loginBytes bounds what a server may send until the login is done.
const loginBytes = 256 << 10

// meter is told all that the library reads and writes, in plain text, as its debug output. It keeps little of it but
// counts, since the library has no limits, and looks for what the library must not act on. An error from it ends the library's reading after what it has read.
type meter struct {
	limit int // of the bytes of one stanza

	mu        sync.Mutex // guards all below
	loggedIn  bool
	read      int    // bytes since the last stanza, or since the start of the login
	tail      []byte // the last bytes of the login, or an unfinished challenge, for what is split between two reads
	mechanism string // of SASL, as chosen by the library; empty until then
}

// The prefixes of the library's debug output.
const (
	debugRecv = "RECV "
	debugSend = "SEND "
)

// libraryAnswer is how the library's own answer to a ping starts. Our stanzas differ: they have an id, and it comes first.
const libraryAnswer = debugSend + "<iq type='result' to='"

const seeOtherHost = "see-other-host"

// mechanismPattern is compiled when it is first needed, which it is by this link alone.
var mechanismPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^SEND <auth(?:enticate)? xmlns='[^']*' mechanism='([A-Z0-9-]+)'`)
})

// Write takes one read or write of the library.
func (m *meter) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if got, ok := bytes.CutPrefix(p, []byte(debugRecv)); ok {
		if err := m.received(got); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	if bytes.HasPrefix(p, []byte(libraryAnswer)) {
		m.read = 0 // a stanza has ended without being handed to us
	}
	if !m.loggedIn {
		if found := mechanismPattern().FindSubmatch(p); found != nil {
			m.mechanism = string(found[1])
		}
	}
	return len(p), nil
}

func (m *meter) received(got []byte) error {
	m.read += len(got)
	if m.loggedIn {
		if m.read > m.limit+readAhead {
			return xmpp.ErrTooBig
		}
		return nil
	}
	if m.read > loginBytes {
		return xmpp.ErrTooBig
	}
	m.tail = append(m.tail, bytes.TrimSuffix(got, []byte("\n"))...) // which the library may have added
	keep, err := checkChallenges(m.tail)
	if bytes.Contains(m.tail, []byte(seeOtherHost)) {
		err = errRedirected
	}
	if err != nil {
		panic(refusal{err}) // see guarded: for an error it is too late, since the library has these bytes already
	}
	if keep == nil {
		keep = m.tail[max(0, len(m.tail)-len(seeOtherHost)):]
	}
	m.tail = append(m.tail[:0], keep...)
	return nil
}

// next starts to count anew: a stanza is read. The login is over.
func (m *meter) next() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loggedIn, m.read, m.tail = true, 0, nil
}

// chosen is the SASL mechanism that the library took, or empty.
func (m *meter) chosen() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mechanism
}
