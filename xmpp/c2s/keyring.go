package c2s

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"xtls-agent/xmpp"
)

// A TokenStore keeps what one account's logins need from one to the next: the identity of this client, and the token that the
// server gave it (XEP-0484). The data is a secret, as a password is.
type TokenStore interface {
	// Load returns what was saved last. It is an [fs.ErrNotExist] if nothing was.
	Load() ([]byte, error)
	// Save takes the place of what was saved before, whole or not at all, and returns nil when that is durable.
	Save(data []byte) error
}

// keys are what a keyring keeps.
type keys struct {
	JID   string `json:"jid"`   // whose they are
	Agent string `json:"agent"` // the client's identity: a UUID (XEP-0388 §2.3)

	Token     string    `json:"token,omitempty"`
	Mechanism string    `json:"mechanism,omitempty"` // the only one for which the token may be used
	Expiry    time.Time `json:"expiry,omitzero"`
	Inline    inline    `json:"inline,omitzero"` // as the server offered when it gave the token
}

// maxDoubts is how often a fresh token of a mechanism may be refused before another is asked for. One may have been revoked; two in a row are
// a channel binding that does not verify at this server (ejabberd 23.01 has one).
const maxDoubts = 2

// maxToken bounds what a server makes us keep.
const maxToken = 4096

// keyring is the identity and the token of an account's client.
type keyring struct {
	store TokenStore // nil: they last as long as the keyring
	now   func() time.Time
	warn  func(msg string, args ...any)

	mu         sync.Mutex // guards all below; held while a token is saved, so that none is used before it is durable
	keys       keys
	fresh      bool           // the token was given to this keyring, and has not worked yet
	doubts     map[string]int // by mechanism: fresh tokens that were refused in a row
	unanswered int            // logins in one flight, in a row, that ended without an answer
}

// openKeyring reads what cfg's store has for the account. What cannot be read, or is another account's, is begun anew.
func openKeyring(cfg Config) *keyring {
	r := &keyring{store: cfg.Tokens, now: cfg.Now, warn: cfg.Log.Warn, doubts: make(map[string]int)}
	if r.store != nil {
		data, err := r.store.Load()
		if err == nil {
			r.keys, err = parseKeys(data)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.warn("the account's token cannot be read: logging in by password", "err", err)
		}
	}
	if r.keys.JID != cfg.JID.String() || r.keys.Agent == "" {
		r.keys = keys{JID: cfg.JID.String(), Agent: uuid.NewString()}
		r.save(r.keys)
	}
	return r
}

var errKeys = errors.New("it is damaged")

// parseKeys reads what was saved. Its errors do not quote it.
func parseKeys(data []byte) (keys, error) {
	var k keys
	if json.Unmarshal(data, &k) != nil {
		return keys{}, errKeys
	}
	if id, err := uuid.Parse(k.Agent); err != nil || id.Version() != 4 || id.String() != k.Agent {
		return keys{}, errKeys
	}
	if k.Token != "" && (!slices.Contains(tokenMechanisms, k.Mechanism) || len(k.Token) > maxToken) {
		return keys{}, errKeys
	}
	return k, nil
}

// save makes k what is kept, once it is durable. Where that fails, what was there stays. The caller holds mu, or is alone.
func (r *keyring) save(k keys) bool {
	if r.store != nil {
		data, err := json.Marshal(k)
		if err == nil {
			err = r.store.Save(data)
		}
		if err != nil {
			r.warn("the account's token cannot be stored", "err", err)
			return false
		}
	}
	r.keys = k
	return true
}

// agent is the identity of the client, the same for ever.
func (r *keyring) agent() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keys.Agent
}

// login returns how to log in by the token over a connection, and what can be asked for with it; nil if there is no token that
// can be used there.
func (r *keyring) login(cs tls.ConnectionState) *tokenLogin {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.keys
	if k.Token == "" || !k.Expiry.IsZero() && !r.now().Before(k.Expiry) {
		return nil
	}
	binding, ok := bindingOf(k.Mechanism, cs)
	if !ok {
		return nil
	}
	return &tokenLogin{
		proof: proof{k.Token, binding}, mechanism: k.Mechanism, inline: k.Inline,
		pipelined: r.unanswered < 2, // a server may not bear it
	}
}

// wanted is the mechanism for which to ask for a token: the best of those offered; empty for none.
func (r *keyring) wanted(offered []string, cs tls.ConnectionState) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bestOf(slices.DeleteFunc(slices.Clone(offered), func(m string) bool { return r.doubts[m] >= maxDoubts }), cs)
}

// keep takes a <token/> that the server gave for mechanism. The old one is used until the new one is durable.
func (r *keyring) keep(el *xmpp.Element, mechanism string, in inline) {
	token := el.Attr("token")
	if token == "" || len(token) > maxToken || mechanism == "" {
		return
	}
	expiry, _ := time.Parse(time.RFC3339, el.Attr("expiry")) // without one the server will say when it is over
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.keys
	k.Token, k.Mechanism, k.Expiry, k.Inline = token, mechanism, expiry, in
	r.fresh = r.save(k)
}

// refused forgets a token that the server does not take.
func (r *keyring) refused(token string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys.Token != token {
		return
	}
	if r.fresh {
		r.doubts[r.keys.Mechanism]++
	}
	r.drop()
}

// forget forgets the token, whatever it is: the server is not what it was when it gave it.
func (r *keyring) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys.Token != "" {
		r.drop()
	}
}

// drop forgets the token. The caller holds mu.
func (r *keyring) drop() {
	k := keys{JID: r.keys.JID, Agent: r.keys.Agent}
	if !r.save(k) {
		r.keys = k // it is of no use, stored or not
	}
}

// answered notes that the server answered a login in one flight, or did not.
func (r *keyring) answered(ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ok {
		r.unanswered = 0
		return
	}
	r.unanswered++
}

// worked notes that the token did.
func (r *keyring) worked() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fresh = false
	delete(r.doubts, r.keys.Mechanism)
}
