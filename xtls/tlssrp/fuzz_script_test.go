package tlssrp

import (
	"io"
	"slices"
	"strings"
	"testing"
)

// honest are the steps of each role that lead to the end of a handshake.
func honest(isServer bool) []act {
	if isServer {
		return []act{actHello, actKey, actDone, actSpec, actFinished}
	}
	return []act{actHello, actKey, actSpec, actFinished}
}

// proves says whether a script is an honest handshake with, at most, idle records in between, and how many steps that took.
func proves(played []act, want []act) (int, bool) {
	for i, a := range played {
		switch {
		case a == actNothing || a == actIdle:
			continue
		case a != want[0]:
			return 0, false
		case len(want) == 1:
			return i + 1, true
		}
		want = want[1:]
	}
	return 0, false
}

func countActs(played []act, of act) (n int) {
	for _, a := range played {
		if a == of {
			n++
		}
	}
	return n
}

// judge holds the victim of a script to the model: it completes exactly if the script is an honest handshake of somebody who knows the
// password, and then hands out what was said after it, up to a goodbye.
func (r *rogueScript) judge(t *testing.T, victim *Conn, knows bool) {
	t.Helper()
	err := victim.Handshake()
	at, proven := proves(r.played, honest(!r.conn.isClient))
	proven = proven && knows
	tooIdle := countActs(r.played, actIdle) > maxUselessRecords
	if complete := victim.ConnectionState().HandshakeComplete; complete != (err == nil) || complete && !proven || proven && !complete && !tooIdle {
		t.Fatalf("complete: %v, proven: %v, %v, after %v (the rogue: %v)", complete, proven, err, r.played, r.errs)
	}
	if err == nil {
		var got []byte
		got, err = io.ReadAll(victim)
		after := r.played[at:]
		if len(got) > countActs(after, actWords) || strings.Trim(string(got), "x") != "" {
			t.Fatalf("read %q after %v", got, after)
		}
		if err == nil && countActs(after, actGoodbye) == 0 {
			t.Fatalf("the end came without a goodbye, after %v", after)
		}
		if err == nil {
			return
		}
	}
	checkEnd(t, err, r.stage.heard.Bytes())
	if held := victim.in.handshake.Cap(); held > 4*(messageHeaderLen+maxMessage+maxCiphertext) {
		t.Fatalf("%d bytes are held", held)
	}
}

// Steps of a script by name, for the seeds.
const (
	stepSplit, stepWarning, stepFatal, stepGoodbye, stepWords, stepSpec, stepFinished, stepAlmost = 0, 1, 5, 6, 7, 8, 9, 10
	stepHello, stepKey, stepZeroKey, stepDone, stepSpecOfServer                                   = 11, 12, 13, 14, 15
)

// FuzzServerScript: a server and whatever a client may send in whatever order, rightly encrypted. Each guess is counted, once.
func FuzzServerScript(f *testing.F) {
	for _, seed := range [][]byte{
		{stepHello, stepKey, stepSpec, stepFinished, stepWords, stepWords, stepGoodbye},
		{stepSplit, stepHello, stepWarning, stepKey, stepSpec, stepWarning, stepFinished, stepHello, stepWords},
		{stepHello, stepZeroKey, 1, stepSpec, stepFinished}, {stepHello, stepKey, stepSpec, stepAlmost, 3},
		{stepHello, stepKey, stepFinished}, {stepHello, stepSpec, stepFinished}, {stepKey, stepSpec, stepFinished}, {stepFinished}, {stepWords},
		{stepHello, stepKey, stepSpec, stepWords}, {stepHello, stepHello}, {stepHello, stepKey, stepSpec, stepFatal, 20},
	} {
		for who := range uint8(3) {
			f.Add(who, seed)
		}
	}
	f.Fuzz(func(t *testing.T, who uint8, script []byte) {
		clientConfig, serverConfig := fuzzConfigs(t)
		serverConfig.FakeSaltKey = []byte("key")
		serverConfig.Groups = clientConfig.Groups
		switch who % 3 {
		case 1:
			clientConfig.Password = "87654321"
		case 2:
			clientConfig.Username = "nobody@home.example"
		}
		var seen proofs
		serverConfig.ProofReceived = seen.received
		r := rogueClient(clientConfig, script)
		victim := Server(r.stage, serverConfig)
		r.judge(t, victim, who%3 == 0)
		at, underKeys := proves(r.played, []act{actHello, actKey, actSpec})
		tried := underKeys && len(r.played)-countActs(r.played[at:], actNothing) > at
		right := victim.ConnectionState().HandshakeComplete
		if tried && len(seen.verdicts) != 1 || len(seen.verdicts) > 1 || slices.Contains(seen.verdicts, true) != right {
			t.Fatalf("counted %v after %v", seen.verdicts, r.played)
		}
	})
}

// FuzzClientScript: a client and whatever a server may send in whatever order, rightly encrypted.
func FuzzClientScript(f *testing.F) {
	for _, seed := range [][]byte{
		{stepHello, stepKey, stepDone, stepSpecOfServer, stepFinished, stepWords, stepGoodbye},
		{stepSplit, stepHello, stepWarning, stepKey, stepDone, stepSpecOfServer, stepWarning, stepFinished, stepWords, stepHello},
		{stepHello, stepZeroKey, 0, stepDone, stepSpecOfServer, stepFinished}, {stepHello, stepKey, stepDone, stepSpecOfServer, stepAlmost, 3},
		{stepHello, stepKey, stepDone, stepFinished}, {stepHello, stepKey, stepSpecOfServer, stepFinished}, {stepHello, stepDone}, {stepSpec, stepFinished},
		{stepHello, stepKey, stepDone, stepSpecOfServer, stepWords}, {stepWords, stepGoodbye}, {stepHello, stepKey, stepKey},
		{3, 0, 0, stepHello, stepKey, stepDone, stepSpecOfServer, stepFinished, 3, 0, 0, stepWords},
	} {
		f.Add(true, seed)
		f.Add(false, seed)
	}
	f.Fuzz(func(t *testing.T, knows bool, script []byte) {
		clientConfig, serverConfig := fuzzConfigs(t)
		if !knows {
			clientConfig.Password = "87654321"
		}
		r := rogueServer(serverConfig, script)
		r.judge(t, Client(r.stage, clientConfig), knows)
	})
}
