package tls

import (
	"math"
	"strings"
	"testing"

	"xtls-agent/bench/instructions"
	"xtls-agent/bench/program"
	"xtls-agent/bench/row"
)

// Every program does a handshake of each group, and refuses a wrong password.
func TestHandshakePrograms(t *testing.T) {
	for name, p := range map[string]struct {
		path string
		args []string
	}{
		"ours":   {program.Go(t, "xtls-agent/bench/tls/handshake", program.Build{}), nil},
		"libssl": {libssl(t), []string{"handshake"}},
		"gnutls": {gnutls(t), []string{"handshake"}},
	} {
		refusesWrongPassword(t, p.path, p.args...)
		for _, bits := range []int{2048, 3072} {
			if r := handshakesOf(t, bits, 2, p.path, p.args...); r.Handshakes != 2 || !(r.CPU > 0) {
				t.Errorf("%s, %d bits: %+v", name, bits, r)
			}
		}
		if code, said := program.Exit(t, p.path, append(p.args, "1000", "1", password)...); code != 1 {
			t.Errorf("%s with a group that it has not: exit code %d, %s", name, code, said)
		}
	}
}

// A row fails if a program does not mind a wrong password.
func TestWrongPasswordMustBeRefused(t *testing.T) {
	const careless = `int main(void) { return 0; }`
	_, err := row.Run(row.Row{Name: "r", Setup: func(t *row.T) (row.Side, row.Side) {
		return handshakeSide(t, 2048, "careless", program.C(t, "careless", careless)), row.Side{}
	}}, func(int) {})
	if err == nil || !strings.Contains(err.Error(), "wrong password: exit code 0") {
		t.Error(err)
	}
}

// What is no handshake of the suite and the group is not taken for one.
func TestOtherHandshakesAreRefused(t *testing.T) {
	good := handshakeReport{Suite: "SRP-AES-256-CBC-SHA", Bits: 3072, Sealed: 57, ToServer: 560, ToClient: 950}
	if err := good.check(3072); err != nil {
		t.Fatal(err)
	}
	for name, alter := range map[string]func(*handshakeReport){
		"other suite":          func(r *handshakeReport) { r.Suite = "AES256-SHA" },
		"other group":          func(r *handshakeReport) { r.Bits = 2048 },
		"MAC, then encryption": func(r *handshakeReport) { r.Sealed = 53 },
		"no A":                 func(r *handshakeReport) { r.ToServer = 200 },
		"no B":                 func(r *handshakeReport) { r.ToClient = 700 },
		"a certificate":        func(r *handshakeReport) { r.ToClient = 2000 },
	} {
		r := good
		if alter(&r); r.check(3072) == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestRecordPrograms(t *testing.T) {
	path := program.Go(t, "xtls-agent/bench/tls/record", program.Build{})
	for _, r := range []recordReport{
		recordsOf(t, 1, encryptThenMAC, path, "ours"),
		recordsOf(t, 1, macThenEncrypt, path, "crypto/tls"),
		recordsOf(t, 1, encryptThenMAC, libssl(t), "record"),
	} {
		if r.Bytes != 1<<20 || r.Records != 64 || !(r.CPU > 0) {
			t.Errorf("%+v", r)
		}
		if r.Sealed++; r.check(r.Sealed-1) == nil {
			t.Error("a record of another length was taken")
		}
	}
}

// Handshakes are counted alike each time, and a version that is not there is missed in words that help.
func TestCounting(t *testing.T) {
	path, counter := instructions.BuildARM(t, "", "xtls-agent/bench/tls/handshake"), instructions.New(t)
	first, work := countHandshakes(t, counter, 2048, path)
	if first < 1e7 || work.Count != 3 {
		t.Errorf("%v instructions for %+v", first, work)
	}
	if second, _ := countHandshakes(t, counter, 2048, path); math.Abs(second-first) > first/50 {
		t.Errorf("%v instructions, then %v", first, second)
	}
	_, err := row.Run(row.Row{Name: "r", Setup: func(t *row.T) (row.Side, row.Side) {
		earlier(t, "0000000")
		return row.Side{}, row.Side{}
	}}, func(int) {})
	if err == nil || !strings.Contains(err.Error(), "fetch the history") {
		t.Error(err)
	}
}
