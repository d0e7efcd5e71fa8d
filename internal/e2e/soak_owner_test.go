package e2e

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/pprof"
	"strings"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/client"
	"xtls-agent/owner"
)

// talker is an owner whose session stays open, call after call, for as long as it can be. Where it ends he opens another, and asks again
// for what was not answered.
type talker struct {
	s       *soak
	name    string
	client  *client.Client
	target  client.Target
	session *client.Session // nil while there is none
	log     *printed
	chance  *rand.Rand
	label   pprof.LabelSet // of all his goroutines, so that they can be counted
}

// newTalker pairs one, in this process.
func (s *soak) newTalker(name string) *talker {
	s.Helper()
	p := s.newOwner(name)
	k := &talker{s: s, name: name, log: s.newLog(name + "'s log"), chance: rand.New(rand.NewPCG(s.seed, uint64(len(name))))}
	k.label = pprof.Labels(ownerLabel, k.labelled())
	log := slog.New(slog.NewTextHandler(k.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	k.client, err = client.Open(client.Config{Dir: p.dir, Log: log, Resolve: nowhere})
	if err != nil {
		s.Fatal(err)
	}
	if k.target, err = k.client.Target(s.box.jid); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(k.hangUp)
	return k
}

func nowhere(context.Context, jid.JID) ([]string, error) { return nil, errors.New("not on the LAN") }

func (k *talker) hangUp() {
	if k.session != nil {
		k.session.Close()
		k.session = nil
	}
}

// labelled is what the label of his goroutines says.
func (k *talker) labelled() string { return k.s.name + "'s " + k.name }

// connect opens a session, however long that takes.
func (k *talker) connect() bool {
	for until := time.Now().Add(longestOutage); time.Now().Before(until) && !k.s.Failed(); {
		var err error
		pprof.Do(k.s.Context(), k.label, func(ctx context.Context) { k.session, err = k.client.Open(ctx, k.target) })
		if err == nil {
			k.s.opened.Add(1)
			return true
		}
		fmt.Fprintln(k.log, "no session:", err)
		time.Sleep(300 * time.Millisecond)
	}
	k.s.Errorf("%s, %s: no session within %v", k.s.name, k.name, longestOutage)
	return false
}

// longestOutage is how long the worst plan may keep two programs apart that try all the time.
const longestOutage = 5 * time.Minute

// call makes one call, with an id, until the device says what came of it.
func (k *talker) call(id, command string, values owner.Values) (owner.Result, error) {
	begun := time.Now()
	for age := time.Duration(0); ; age = time.Since(begun) {
		if k.session == nil && !k.connect() {
			return owner.Result{}, errors.New("no session")
		}
		gaveUp := k.mayGiveUp()
		res, err := k.ask(owner.Call{ID: id, Age: age}, command, values)
		var said *owner.RequestError
		if err == nil || errors.As(err, &said) && said.Type != owner.Wait {
			gaveUp() // too late
			return res, err
		}
		if !gaveUp() {
			k.s.tell("%s's session has ended: %v", k.name, err)
			k.s.lost.Add(1)
		}
		k.s.again.Add(1)
		k.hangUp()
	}
}

// mayGiveUp has him end his session in the middle of a call now and then, if he is impatient. It returns what tells whether he did, and
// keeps him from it from then on.
func (k *talker) mayGiveUp() (gaveUp func() bool) {
	if !k.s.impatient || k.chance.IntN(8) > 0 {
		return func() bool { return false }
	}
	session := k.session
	timer := time.AfterFunc(time.Duration(k.chance.IntN(400))*time.Millisecond, session.Session.Close)
	return func() bool { return !timer.Stop() }
}

// ask asks once, and gives the session up on which pings are not answered.
func (k *talker) ask(call owner.Call, command string, values owner.Values) (owner.Result, error) {
	ctx, cancel := context.WithCancel(k.s.Context())
	session, done := k.session, make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(5 * time.Second):
			}
			within, enough := context.WithTimeout(ctx, 45*time.Second)
			err := session.Ping(within)
			enough()
			if err != nil && ctx.Err() == nil {
				session.Session.Close() // whoever waits on it is told
				return
			}
		}
	}()
	defer func() { cancel(); <-done }()
	return session.CallOnce(ctx, command, func(*owner.Form) (owner.Values, error) { return values, nil }, call)
}

// readPage asks for a page, and compares every byte.
func (k *talker) readPage(i int) {
	number := i % pageCount
	res, err := k.call(fmt.Sprint("page", i), "page", owner.Values{"number": {fmt.Sprint(number)}})
	k.s.calls.Add(1)
	switch {
	case notKnown(err):
		k.s.callUnknown(k.name, err)
	case err != nil || res.Failure != "" || res.Note != "":
		k.s.Errorf("%s, page %d: %v %s %s", k.s.name, i, err, res.Failure, res.Note)
	case res.Output != page(number):
		k.s.Errorf("%s, page %d: other bytes than were sent: %d, want %d", k.s.name, i, len(res.Output), len(page(number)))
	default:
		k.s.bytes.Add(int64(len(res.Output)))
	}
}

// countOnce makes a call that leaves a line.
func (k *talker) countOnce(i int) {
	who := fmt.Sprint("guest", i)
	res, err := k.call(who, "count", owner.Values{"who": {who}})
	k.s.calls.Add(1)
	switch {
	case notKnown(err):
		k.s.callUnknown(k.name, err)
		k.s.expect(who, mayHaveRun)
	case err != nil:
		k.s.Errorf("%s, %s: %v", k.s.name, who, err)
	case res.Output != "counted "+who:
		k.s.Errorf("%s, %s: it answers %q %s", k.s.name, who, res.Output, res.Failure)
	default:
		k.s.expect(who, hasRun)
	}
}

// notKnown reports whether the device does not know what came of a call, or not any more.
func notKnown(err error) bool {
	return errors.Is(err, owner.ErrForgotten) || errors.Is(err, owner.ErrOutcomeUnknown)
}

// passBy is a call by a program that logs in, calls and ends; one that is killed is run again, and asks for the same call.
func (s *soak) passBy(i int) {
	who := fmt.Sprint("passer", i)
	call := func() *running { return s.passer.begin("", "call", s.box.jid, "count", "who="+who, "--id", who) }
	killed := s.impatient && s.kills && i%16 == 0
	if killed {
		first := call()
		time.Sleep(time.Duration(i*i%2000) * time.Millisecond)
		_ = first.cmd.Process.Kill() // it may have ended by itself
		<-first.done
		first.cancel()
		s.again.Add(1)
	}
	got := call().wait()
	s.calls.Add(1)
	for i, line := range streamLines {
		s.passing[i].Add(int64(strings.Count(got.stderr, line)))
	}
	switch {
	case got.code == 0 && strings.Contains(got.stdout, "counted "+who):
		s.expect(who, hasRun)
	case got.code == 8:
		s.callUnknown("passer", lastLine(got.stderr))
		s.expect(who, mayHaveRun)
	case got.code == 1 || got.code == 5 || got.code == 6: // it did not come to be made
		s.unmade.Add(1)
		fmt.Fprintln(s.events, "not made:", lastLine(got.stderr))
		s.expect(who, hasNotRun)
		if killed { // by this run
			s.expect(who, mayHaveRun)
		}
	default:
		s.Errorf("%s, %s: exit code %d\n%s%s", s.name, who, got.code, got.stdout, got.stderr)
	}
}
