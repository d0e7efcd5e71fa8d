package rows

import (
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/bench/homekit"
	"xtls-agent/bench/homekit/lonely"
	"xtls-agent/bench/homekit/peer"
	"xtls-agent/bench/row"
	"xtls-agent/internal/testpeer"
	"xtls-agent/owner"
	"xtls-agent/xmpp/c2s"
)

// pairingFigures are the two ways to time a pairing: from the moment at which the person has typed the PIN, and from the connection. Both
// end when both sides have stored the other and the first session with the stored keys stands. Before the PIN is typed HomeKit has done
// M1 and M2, ours the offer and its answer. The accessory does not sync its file, so that is done for it.
func pairingFigures(aim float64) []row.Figure {
	return []row.Figure{{Name: "from the PIN", Unit: "ms", Aim: row.AtMost(aim)}, {Name: "from the connection", Unit: "ms", Aim: row.AtMost(aim)}}
}

var pairingWork = row.Work{Count: 1, What: "stored on both sides, and a session with the stored keys"}

const pairingPairs = 9

func pairingOnLAN() row.Row {
	return row.Row{
		Name: "pairing/lan", What: "pairing, LAN link", Figures: pairingFigures(1), Pairs: pairingPairs,
		Setup: func(t *row.T) (ours, peer row.Side) {
			network, lamp := newNetwork(t), built(t, "lamp", lampProgram, nil)
			return row.Side{Name: "xtls-agent", Measure: func() row.Sample { return pairOnLAN(t, network, lamp) }}, homekitPairing(t)
		},
	}
}

// pairOnLAN has a device that is new pair with an owner who is.
func pairOnLAN(t *row.T, network *lonely.Network, lamp string) row.Sample {
	d := start(t, network, configure(t, display, onLAN), lamp).listening()
	keys, pin := newKeys(t), d.pin()
	began := time.Now()
	return timePairing(d, d.dial(keys), jid.JID{}, pin, began)
}

// timePairing pairs over a link that stands, checks what both have stored, and ends the device.
func timePairing(d *device, o *owner.Owner, address jid.JID, pin string, began time.Time) row.Sample {
	var typed time.Time
	p, err := o.Pair(d.t.Context(), owner.Request{Device: address, PIN: typing(pin, &typed)})
	done := time.Now()
	if err != nil {
		d.t.Fatal(err)
	}
	p.Session.Close()
	o.Close()
	d.stop()
	d.knowsOwner()
	return row.Sample{Values: []float64{row.Milliseconds(done.Sub(typed)), row.Milliseconds(done.Sub(began))}, Work: pairingWork}
}

// homekitPairing is pair-setup and pair-verify with an accessory that is new.
func homekitPairing(t *row.T) row.Side {
	network, program := newNetwork(t), built(t, "accessory", accessoryProgram, nil)
	return row.Side{Name: peer.Name, Measure: func() row.Sample { return pairHomeKit(t, network, program) }}
}

func pairHomeKit(t *row.T, network *lonely.Network, program string) row.Sample {
	a, me, dir := peer.Start(t, network, program, t.TempDir()), newController(t), t.TempDir()
	var typed time.Time
	began := time.Now()
	conn := a.Dial(t)
	known, err := conn.PairSetup(t.Context(), me, func() string { typed = time.Now(); return peer.TypedCode() })
	if err == nil {
		a.MakeDurable(t)
		err = known.Store(dir)
	}
	if err == nil {
		err = conn.PairVerify(t.Context(), me, known)
	}
	done := time.Now()
	if err != nil {
		t.Fatal(err)
	}
	peer.Settle()
	if _, err := conn.Switch(t.Context()); err != nil { // on the encrypted session
		t.Fatal(err)
	}
	if _, err := homekit.Load(dir); err != nil || !a.Paired(t) {
		t.Fatalf("the two have not stored each other: %v", err)
	}
	_ = conn.Close()
	stop(t, a.Process)
	return row.Sample{Values: []float64{row.Milliseconds(done.Sub(typed)), row.Milliseconds(done.Sub(began))}, Work: pairingWork}
}

func newController(t *row.T) *homekit.Controller {
	me, err := homekit.NewController("romeo")
	if err != nil {
		t.Fatal(err)
	}
	return me
}

// pairingThroughProsody is beside the same. HomeKit has nothing that goes through a server, so the aim is our own.
func pairingThroughProsody() row.Row {
	return row.Row{
		Name: "pairing/prosody", What: "pairing, through Prosody", Figures: pairingFigures(3), Pairs: pairingPairs,
		Setup: func(t *row.T) (ours, peer row.Side) {
			server, lamp := testpeer.Prosody(t, testpeer.XMPPOptions{}), built(t, "lamp", lampProgram, nil)
			romeo, password := server.Account(t, "romeo")
			a := account{server, romeo, password}
			return row.Side{Name: "xtls-agent", Measure: func() row.Sample { return a.pair(t, lamp) }}, homekitPairing(t)
		},
	}
}

// account is the owner's.
type account struct {
	server        *testpeer.XMPPServer
	jid, password string
}

func (a account) pair(t *row.T, lamp string) row.Sample {
	box, password := a.server.Account(t, "box"+time.Now().Format("150405.000"))
	dir := configure(t, display, onServer(t, a.server, box, password))
	d := start(t, nil, dir, lamp)
	keys, pin := newKeys(t), d.pin()
	link, err := c2s.Dial(t.Context(), c2s.Config{
		JID: jid.MustParse(a.jid), Password: func() (string, error) { return a.password, nil }, Server: a.server.Addr, Roots: a.server.Roots,
	})
	if err != nil {
		t.Fatal(err)
	}
	o := owner.New(link, keys, owner.Config{})
	address := jid.MustParse(box)
	if _, err := o.Find(t.Context(), address); err != nil { // the device may be logging in yet, which is no part of a pairing
		t.Fatal(err)
	}
	return timePairing(d, o, address, pin, time.Now())
}
