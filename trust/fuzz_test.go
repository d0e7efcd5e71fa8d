package trust

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"testing"

	"xtls-agent/internal/fuzztest"
)

// FuzzIdentity: a stored identity is read as what was stored, whatever is around it, or not at all; no error and no printing holds anything of
// the key.
func FuzzIdentity(f *testing.F) {
	var texts [2][]byte
	for i := range texts {
		id, err := NewIdentity("box", testTime, rand.Reader)
		if err != nil {
			f.Fatal(err)
		}
		if texts[i], err = id.marshal([]string{"", "owners"}[i]); err != nil {
			f.Fatal(err)
		}
	}
	good := texts[0]
	certificate, key := pem.Decode(good)
	_, otherKey := pem.Decode(texts[1])
	f.Add(good)
	f.Add(append(bytes.Clone(good), good...))
	f.Add(append(pem.EncodeToMemory(certificate), otherKey...))
	f.Add(append(bytes.Clone(key), pem.EncodeToMemory(certificate)...))
	f.Add(good[:len(good)-30])
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		id, set, err := parseIdentity(text)
		if fuzztest.Line(t, err, lines(text)...) {
			return
		}
		again, err := id.marshal(set)
		if err != nil {
			t.Fatal(err)
		}
		same, sameSet, err := parseIdentity(again)
		if err != nil || same.Fingerprint() != id.Fingerprint() || sameSet != set {
			t.Fatalf("%v became %v, %v", id, same, err)
		}
		if !id.Certificate.Leaf.Equal(same.Certificate.Leaf) || id.Fingerprint() != FingerprintOf(id.DER()) {
			t.Fatalf("%v holds another certificate", id)
		}
	})
}

// lines returns what of a text an error must not quote.
func lines(text []byte) []string {
	var out []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); len(line) >= 16 {
			out = append(out, line)
		}
	}
	return out
}

// FuzzFingerprint: of what a person may paste the hex digits count, as encoding/hex reads them.
func FuzzFingerprint(f *testing.F) {
	for _, s := range []string{strings.Repeat("AB:", 31) + "AB", strings.Repeat("0f", 32), strings.Repeat("0f ", 32), strings.Repeat("0", 63), "", ":", strings.Repeat("0g", 32)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseFingerprint(text)
		plain := strings.ToLower(strings.Join(strings.Fields(strings.ReplaceAll(text, ":", "")), ""))
		want, bad := hex.DecodeString(plain)
		if fuzztest.Line(t, err) {
			return
		}
		if bad != nil || !bytes.Equal(got[:], want) || got.String() != plain {
			t.Fatalf("%q became %v", text, got)
		}
	})
}

// FuzzLoad: what is stored is loaded, or refused and left as it is: nothing that cannot be read is taken for nothing, or replaced.
func FuzzLoad(f *testing.F) {
	id, err := NewIdentity("box", testTime, rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	identity, err := id.marshal("owners")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(identity, []byte(`{"version":1,"set":"owners","peers":[]}`))
	f.Add(identity[:40], []byte(`{"version":1,"set":"devices","peers":[]}`))
	f.Add([]byte{}, []byte{})
	f.Add([]byte("null"), []byte("null"))
	f.Fuzz(func(t *testing.T, identity, owners []byte) {
		store := NewMemStore()
		files := map[string][]byte{IdentityFile: identity, "owners": owners}
		for name, data := range files {
			if err := store.Write(name, data); err != nil {
				t.Fatal(err)
			}
		}
		id, err := LoadIdentity(store, "box", testTime, rand.Reader)
		if fuzztest.Line(t, err, lines(identity)...) == (id != nil) {
			t.Fatalf("%v, %v", id, err)
		}
		peers, err := LoadPeers(store, "owners", Owners)
		if (err != nil) == (peers != nil) {
			t.Fatalf("%v, %v", peers, err)
		}
		for name, data := range files {
			if kept, err := store.Read(name); err != nil || !bytes.Equal(kept, data) {
				t.Fatalf("%s was %q and is %q", name, data, kept)
			}
		}
	})
}
