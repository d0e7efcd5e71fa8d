package homekit_test

import (
	"crypto/ed25519"
	"errors"
	"os"
	"testing"
	"time"

	"xtls-agent/bench/homekit"
	"xtls-agent/bench/homekit/lonely"
	"xtls-agent/bench/homekit/peer"
	"xtls-agent/bench/program"
)

// With an accessory that is not ours. It is built once.
func TestAccessory(t *testing.T) {
	path := program.Go(t, "xtls-agent/bench/homekit/accessory", program.Build{})
	for name, test := range map[string]func(*testing.T, *peer.Accessory){
		"switch": testSwitch, "wrong code": testWrongCode, "strangers": testStrangers,
	} {
		t.Run(name, func(t *testing.T) { test(t, start(t, path)) })
	}
}

func start(t *testing.T, program string) *peer.Accessory {
	t.Helper()
	network, err := lonely.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = network.Close() })
	return peer.Start(t, network, program, t.TempDir())
}

func controller(t *testing.T) *homekit.Controller {
	t.Helper()
	c, err := homekit.NewController("romeo")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The whole way: the code, both keys, the encrypted session, the switch.
func testSwitch(t *testing.T, a *peer.Accessory) {
	me := controller(t)
	known, err := a.Dial(t).PairSetup(t.Context(), me, peer.TypedCode)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := known.Store(dir); err != nil {
		t.Fatal(err)
	}
	if known, err = homekit.Load(dir); err != nil {
		t.Fatal(err)
	}
	conn := a.Dial(t)
	if err := conn.PairVerify(t.Context(), me, known); err != nil {
		t.Fatal(err)
	}
	peer.Settle()
	on, err := conn.Switch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		want := i%2 == 0
		if err := conn.Write(t.Context(), on, want); err != nil {
			t.Fatal(err)
		}
		if got, err := conn.Read(t.Context(), on); err != nil || got != want {
			t.Fatalf("it is %v after %v was written, %v", got, want, err)
		}
	}
	before := a.Allocations(t)
	if err := conn.Write(t.Context(), on, true); err != nil {
		t.Fatal(err)
	}
	if after := a.Allocations(t); after <= before {
		t.Errorf("a write made no allocations: %d before, %d after", before, after)
	}
}

func testWrongCode(t *testing.T, a *peer.Accessory) {
	me := controller(t)
	if _, err := a.Dial(t).PairSetup(t.Context(), me, func() string { return "001-02-004" }); !errors.Is(err, homekit.ErrCode) {
		t.Errorf("a wrong code: %v", err)
	}
	if a.Paired(t) {
		t.Error("the accessory took a wrong code")
	}
}

// Who is not paired cannot verify, whatever he says he is called.
func testStrangers(t *testing.T, a *peer.Accessory) {
	me := controller(t)
	first := a.Dial(t)
	known, err := first.PairSetup(t.Context(), me, peer.TypedCode)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); !a.Paired(t); time.Sleep(time.Millisecond) { // it answers before it stores
		if time.Now().After(deadline) {
			t.Fatal("the accessory has not stored its controller")
		}
	}
	var refused *homekit.Error
	if err := a.Dial(t).PairVerify(t.Context(), controller(t), known); !errors.As(err, &refused) {
		t.Errorf("a stranger of the same name: %v", err)
	}
	impostor := *known
	impostor.Key = controller(t).Key.Public().(ed25519.PublicKey)
	if err := a.Dial(t).PairVerify(t.Context(), me, &impostor); !errors.Is(err, homekit.ErrImpostor) {
		t.Errorf("an accessory with another key: %v", err)
	}
}

func TestLoadNothing(t *testing.T) {
	if _, err := homekit.Load(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
