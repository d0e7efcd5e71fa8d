package e2e

import (
	"path/filepath"

	"xtls-agent/internal/testpeer"
)

// person is an owner: xtlsctl with a folder of its own, and perhaps an account.
type person struct {
	w    *world
	name string
	dir  string
	jid  string   // empty without an account
	wrap []string // a program that runs xtlsctl, and its arguments
}

// newOwner is somebody without an account, on the LAN.
func (w *world) newOwner(name string) *person {
	p := &person{w: w, name: name, dir: filepath.Join(w.dir, name)}
	w.Cleanup(func() { w.noteKeys(p.dir) })
	return p
}

// account makes an account and logs in with it.
func (p *person) account(s *testpeer.XMPPServer, link string) *person {
	p.w.Helper()
	password, user := p.w.newPassword(), unique(p.name)
	s.Register(p.w, user, password)
	p.jid = user + "@" + s.Domain
	p.login(s, link, p.jid, password).want(0)
	return p
}

func (p *person) login(s *testpeer.XMPPServer, link, jid, password string) *result {
	p.w.Helper()
	return p.typing(password+"\n", "login", jid, "--server", s.Addr, "--ca-file", s.CAFile, "--link", link)
}

// ctl runs xtlsctl.
func (p *person) ctl(args ...string) *result {
	p.w.Helper()
	return p.typing("", args...)
}

// typing runs xtlsctl with what the person types.
func (p *person) typing(stdin string, args ...string) *result {
	p.w.Helper()
	return p.begin(stdin, args...).wait()
}

// begin starts xtlsctl with what the person types.
func (p *person) begin(stdin string, args ...string) *running {
	p.w.Helper()
	return p.w.begin(program{path: ctlProgram, args: append(args, "--verbose"), env: []string{"XTLSCTL_DIR=" + p.dir}, stdin: stdin, wrap: p.wrap})
}

// pairs reads the PIN off the display and pairs.
func (p *person) pairs(b *box, address string, more ...string) *result {
	p.w.Helper()
	return p.pair(address, b.pin(), more...).want(0)
}

func (p *person) pair(address, pin string, more ...string) *result {
	p.w.Helper()
	return p.typing(pin+"\n", append([]string{"pair", address, "--pin-stdin"}, more...)...)
}

// calls switches the lamp on, which works for owners only.
func (p *person) calls(address string) *result {
	p.w.Helper()
	return p.ctl("call", address, "lamp", "state=on").want(0, "the lamp is on")
}
