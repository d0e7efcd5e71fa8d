package agent

import (
	"fmt"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/control"
	"xtls-agent/internal/testpeer"
	"xtls-agent/owner"
	"xtls-agent/trust"
	"xtls-agent/xmpp/lan"
)

// DESIGN §5, "unbounded anything": behind a line that stands still while a state flaps waits no queue. Whoever is elsewhere hears on, and
// commands are answered; when the line moves again, what comes next is the latest.
func TestStatesOverALineThatStandsStill(t *testing.T) {
	b := startBox(t, trust.NewMemStore(), lamp)
	keys := newKeys(t, "phone")
	near := pairOn(t, b, keys, "romeo@phone").Session
	defer near.Close()
	line := testpeer.NewRelay(t, b.addr)
	link, err := lan.Dial(t.Context(), line.Addr, jid.MustParse("romeo@phone"))
	if err != nil {
		t.Fatal(err)
	}
	o := owner.New(link, keys, owner.Config{})
	t.Cleanup(o.Close)
	far, err := o.OpenDirect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(far.Close)

	told := make(chan string, 10_000)
	go func() {
		defer close(told)
		for r := range far.Watch(t.Context()) {
			if told <- r.Word; r.Word == "9999" {
				return
			}
		}
	}()
	line.Freeze()
	states := b.agent.life.states
	start := time.Now()
	for i := range 10_000 {
		states.Set("lamp", control.State{Word: fmt.Sprint(i)})
		if i%100 == 0 {
			time.Sleep(10 * time.Millisecond)
		}
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("10,000 changes took %v", took)
	}
	for r := range near.Watch(t.Context()) {
		if r.Word == "9999" {
			break
		}
	}
	if res := setTo(t, near, "lamp", "state", "on"); res.Output != "the lamp is on" {
		t.Errorf("%+v", res)
	}

	line.Thaw()
	n := 0
	for range told {
		n++
	}
	if n > 3 {
		t.Errorf("behind the line waited %d states", n)
	}
}
