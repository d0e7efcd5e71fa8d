package client

import (
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/internal/fuzztest"
	"xtls-agent/owner"
)

// secret is what no error may quote.
const secret = "hunter22-hunter22"

// fuzzFolder is a folder for files that the fuzzer writes.
func fuzzFolder(f *testing.F) *folder { return &folder{path: f.TempDir(), patience: lockPatience} }

// FuzzAccountFile: an account is loaded as it would be stored, or not at all, and no error quotes the file.
func FuzzAccountFile(f *testing.F) {
	good, err := json.Marshal(storedAccount{"anna@home.example", secret, "xmpp.home.example:5222", "", LinkC2S})
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{string(good), string(good[:len(good)-2]), `null`, `{"jid":"@","password":"` + secret + `"}`, `{"password":` + secret + `}`, `{"jid":1}`, `[]`} {
		f.Add([]byte(s))
	}
	dir := fuzzFolder(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := dir.Write(accountFile, data); err != nil {
			t.Fatal(err)
		}
		a, err := loadAccount(dir)
		if fuzztest.Line(t, err, secret) {
			return
		}
		if err := a.store(dir); err != nil {
			t.Fatal(err)
		}
		again, err := loadAccount(dir)
		if err != nil || !again.JID.Equal(a.JID) || again.Password() != a.Password() || again.Server != a.Server || again.Link != a.Link {
			t.Fatalf("%v became %v, %v", a.JID, again, err)
		}
	})
}

// FuzzPlacesFile: whatever is remembered of devices, it can be read and written anew.
func FuzzPlacesFile(f *testing.F) {
	for _, s := range []string{`{"box@home.example":{"addr":"192.0.2.1:5298","as":"anna@pi","commands":["lamp"],"wrong_pins":3}}`, `null`, `{"a":null}`, `[]`, `{`} {
		f.Add([]byte(s))
	}
	c := &Client{folder: fuzzFolder(f)}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := c.folder.Write(placesFile, data); err != nil {
			t.Fatal(err)
		}
		if err := c.updatePlace("box@pi", func(p *place) { p.Addr = "192.0.2.1:5298" }); err != nil {
			t.Fatal(err)
		}
		again, err := loadPlaces(c.folder)
		if err != nil || again["box@pi"].Addr != "192.0.2.1:5298" || len(again) != len(c.places) {
			t.Fatalf("%v, %v", again, err)
		}
	})
}

// FuzzPendingFile: whatever stands in the file, a call is stored before it is sent, once, and taken out again.
func FuzzPendingFile(f *testing.F) {
	for _, s := range []string{`[{"id":"a","device":"box@pi","command":"lamp","first":"2026-01-02T03:04:05Z"}]`, `null`, `[null]`, `{}`, `[{}]`, `[`} {
		f.Add([]byte(s))
	}
	c := &Client{folder: fuzzFolder(f), cfg: Config{Now: time.Now}, uptime: readUptime}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := c.folder.Write(pendingFile, data); err != nil {
			t.Fatal(err)
		}
		p, err := c.promise("", "box@pi", "lamp")
		if fuzztest.Line(t, err, "") {
			return
		}
		again, err := c.promise(p.ID, "box@pi", "lamp")
		if err != nil || again.fresh || again.age(time.Now()) <= 0 {
			t.Fatalf("%+v, %v", again, err)
		}
		if err := c.settled(p); err != nil {
			t.Fatal(err)
		}
		if all, err := loadPending(c.folder); err != nil || len(all) >= maxPending {
			t.Fatalf("%d calls, %v", len(all), err)
		}
	})
}

// FuzzNewAccount: what a person types becomes an account that the libraries read alike; no error holds the password.
func FuzzNewAccount(f *testing.F) {
	f.Add("anna@home.example", "xmpp.home.example:5222", LinkC2S)
	f.Add("anna@home.example/phone", "[::1]:5222", LinkGoXMPP)
	f.Add("home.example", "x:0", "")
	f.Fuzz(func(t *testing.T, address, server, link string) {
		a, err := NewAccount(address, secret, server, "", link)
		if fuzztest.Line(t, err, secret) {
			return
		}
		if want, err := jid.Parse(address); err != nil || !want.Equal(a.JID) || a.JID.Localpart() == "" {
			t.Fatalf("%q became %v", address, a.JID)
		}
		if host, port, err := net.SplitHostPort(server); server != "" && (err != nil || host == "" || port == "") {
			t.Fatalf("the server %q was taken", server)
		}
	})
}

// FuzzTarget: what a person may mean by a device is a JID or an address, and never holds a PIN in what is shown again.
func FuzzTarget(f *testing.F) {
	for _, s := range []string{
		"lamp", "box@pi", "lan:192.0.2.1", "lan:[fe80::1%eth0]:5298", "lan:box.local:80", "xmpp:box@home.example?xtls-pair;pin=27182818", "XMPP:box@home.example?xtls-pair;pin=27182818",
		"box@home.example/r", "@", "a@b@c", "lan:", "no such box", "xmpp:box@home.example?xtls-pair;pin=2718281",
	} {
		f.Add(s)
	}
	c, err := Open(Config{Dir: f.TempDir(), Resolve: nowhere})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		target, err := c.Target(text)
		_, pin, isURI := strings.Cut(text, "pin=")
		if !isURI || !strings.HasPrefix(strings.ToLower(text), "xmpp:") { // else it is a name that somebody typed
			pin = ""
		}
		if fuzztest.Line(t, err, pin) {
			return
		}
		known := target.JID.String() != ""
		if known == (target.Addr != "") || !target.PIN.IsZero() && strings.Contains(target.Text, target.PIN.Digits()) {
			t.Fatalf("%q became %+v", text, target)
		}
		if target.Addr != "" {
			if host, port, err := net.SplitHostPort(target.Addr); err != nil || host == "" || port == "" {
				t.Fatalf("%q became the address %q", text, target.Addr)
			}
		}
		again, err := c.Target(target.Text)
		if err != nil || !again.JID.Equal(target.JID) || again.Addr != target.Addr || !again.PIN.IsZero() {
			t.Fatalf("%q became %+v, and that %+v, %v", text, target, again, err)
		}
	})
}

// FuzzName: a name that a person gives a device is shown as it is, and is no address.
func FuzzName(f *testing.F) {
	for _, s := range []string{"lamp", "Living-room box", "lan:x", "-v", "a@b", "\u202e", strings.Repeat("x", 65), "a\nb", " "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if fuzztest.Line(t, checkName(name)) || name == "" {
			return
		}
		if len(name) > 64 || owner.CleanName(name) != name || strings.ContainsAny(name, "\r\n\t@/") {
			t.Fatalf("%q was taken", name)
		}
	})
}
