package evil

import (
	"maps"
	"slices"
	"strings"
	"time"

	"xtls-agent/trust"
	"xtls-agent/xmpp"
)

// judge holds what one step has come to against the rules.
func (p *plan) judge() {
	check(p.t, p.may, []*device{p.box, p.box2}, []*phone{p.romeo, p.paul})
	p.judgeProofs()
	p.judgeOwners()
	p.judgeWords()
}

// maxFailed is how many PINs a peer may fail to prove in one window (DESIGN §4).
const maxFailed = 2

func (p *plan) judgeProofs() {
	all := p.box.proofs.all()
	since := all[p.step.began.proofs:]
	if p.step.closed && len(since) > 0 {
		p.t.Errorf("a window is open for longer than %v: a PIN was judged", window)
	}
	for _, judged := range since {
		// What somebody has begun may wait for digits when he has long given up.
		if !p.step.trying[judged.peer] && !(p.box.typed && p.tried[judged.peer]) {
			p.t.Errorf("a PIN was spent in the name of %s, who did not try one", judged.peer)
		}
	}
	maps.Copy(p.tried, p.step.trying)
	failed := make(map[string]int)
	for _, judged := range all[p.proofs:] {
		if judged.ok {
			continue
		}
		if failed[judged.peer]++; failed[judged.peer] > maxFailed {
			p.t.Errorf("%s failed to prove %d PINs in a window", judged.peer, failed[judged.peer])
		}
	}
}

func (p *plan) judgeOwners() {
	before, now := p.step.began.owners, p.box.owners()
	find := func(list []trust.Record, f trust.Fingerprint) (trust.Record, bool) {
		i := slices.IndexFunc(list, func(r trust.Record) bool { return r.Fingerprint == f })
		if i < 0 {
			return trust.Record{}, false
		}
		return list[i], true
	}
	for _, r := range before {
		_, still := find(now, r.Fingerprint)
		if !still && r.State == trust.Confirmed && (p.step.removing == nil || !p.step.removing.is(r)) {
			p.t.Errorf("an owner is gone: %s", r.JID)
		}
	}
	owned := slices.ContainsFunc(before, func(r trust.Record) bool { return r.State == trust.Confirmed })
	for _, r := range now {
		was, known := find(before, r.Fingerprint)
		// Once owned, nobody gets in whom no owner has named (DESIGN §4, Who may try).
		if owned && !known && !p.isAdmitted(r) {
			p.t.Errorf("somebody got into a device that has an owner: %s", r.JID)
		}
		// A record is confirmed by an x509 session, and by nothing else (DESIGN §3, Enrolment, 3).
		if r.State == trust.Confirmed && was.State != trust.Confirmed && !p.agreedToX509(r) {
			p.t.Errorf("%s is confirmed, and has opened no session by x509", r.JID)
		}
	}
}

func (p *plan) isAdmitted(r trust.Record) bool {
	for who, yes := range p.admitted {
		if yes && who.is(r) && !p.removed[who] {
			return true
		}
	}
	return false
}

// agreedToX509 reports whether box has agreed, in this step, to a session by x509 with the owner of a record.
func (p *plan) agreedToX509(r trust.Record) bool {
	return slices.ContainsFunc(p.sent()[p.step.began.heard:], func(st *xmpp.Stanza) bool {
		text := st.Element().String()
		return st.From.String() == boxJID && st.To.Bare().Equal(r.JID) && strings.Contains(text, Answer) && strings.Contains(text, "name='x509'")
	})
}

// judgeWords looks for what nobody may say in the clear. Certificates are published, by the account that they belong to, but
// given to nobody.
func (p *plan) judgeWords() {
	for _, st := range p.sent()[p.step.began.heard:] {
		published := st.To.String() == "" || st.To.Equal(st.From.Bare())
		if !published && strings.Contains(st.Element().String(), "x509cert") {
			p.t.Errorf("a certificate in the clear, from %s to %s", st.From, st.To)
		}
	}
	if now := time.Now(); p.end.Sub(now) > window {
		p.t.Fatal("the model's own clock is wrong")
	}
}
