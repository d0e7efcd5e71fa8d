package rows

import (
	"xtls-agent/bench/homekit"
	"xtls-agent/bench/homekit/peer"
	"xtls-agent/bench/row"
	"xtls-agent/owner"
)

// A turn switches a lamp on and off so often.
const switchings = 300

// lampSession is a device of ours with an open x509 session on the LAN link.
type lampSession struct {
	t       *row.T
	device  *device
	session *owner.Session
}

func openLamp(t *row.T) *lampSession {
	d := start(t, newNetwork(t), configure(t, display, onLAN), built(t, "lamp", lampProgram, nil)).listening()
	keys := newKeys(t)
	d.pair(keys, d.pin())
	o := d.dial(keys)
	t.Cleanup(o.Close)
	s, err := o.Open(t.Context(), o.Session().RemoteAddr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return &lampSession{t, d, s}
}

// set runs the command "on" or "off".
func (l *lampSession) set(on bool) {
	name := "off"
	if on {
		name = "on"
	}
	if r := l.call(name); r.Failure != "" {
		l.t.Fatalf("%s: %s", name, r.Failure)
	}
}

func (l *lampSession) call(name string) owner.Result {
	r, err := l.session.Call(l.t.Context(), name, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

func (l *lampSession) isOn() bool { return l.call("lamp").Output == "on" }

// accessorySession is an accessory with an encrypted session.
type accessorySession struct {
	t         *row.T
	accessory *peer.Accessory
	conn      *homekit.Conn
	on        homekit.Characteristic
}

func openAccessory(t *row.T) *accessorySession {
	a := peer.Start(t, newNetwork(t), built(t, "accessory", accessoryProgram, nil), t.TempDir())
	conn := pairAccessory(t, a)
	peer.Settle()
	on, err := conn.Switch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return &accessorySession{t, a, conn, on}
}

func (a *accessorySession) set(on bool) {
	if err := a.conn.Write(a.t.Context(), a.on, on); err != nil {
		a.t.Fatal(err)
	}
}

func (a *accessorySession) isOn() bool {
	on, err := a.conn.Read(a.t.Context(), a.on)
	if err != nil {
		a.t.Fatal(err)
	}
	return on
}

// lamp is what both are: something that can be switched.
type lamp interface {
	set(on bool)
	isOn() bool
}

// work says what was done to a lamp that was switched so often, and ended in the state that is read from it.
func work(l lamp, n int) row.Work {
	state := "off"
	if l.isOn() {
		state = "on"
	}
	return row.Work{Count: n, What: state}
}

// switched times each switching of a turn. The first one of them all switches it on, the last one off.
func switched(l lamp) row.Sample {
	took := row.Latency(switchings, func(i int) { l.set(i%2 == 0) })
	return row.Sample{Values: took, Work: work(l, switchings)}
}

func commandOnLAN() row.Row {
	return row.Row{
		Name: "command/lan", What: "a command, LAN link", Pairs: 15,
		Figures: row.LatencyFigures(row.AtMost(1)),
		Setup: func(t *row.T) (row.Side, row.Side) {
			ours, theirs := openLamp(t), openAccessory(t)
			return row.Side{Name: "xtls-agent", Measure: func() row.Sample { return switched(ours) }},
				row.Side{Name: peer.Name, Measure: func() row.Sample { return switched(theirs) }}
		},
	}
}

// allocations counts those of the device's process.
func allocations() row.Row {
	return row.Row{
		Name: "allocations", What: "allocations of the device, a command", Pairs: 3,
		Figures: []row.Figure{{Unit: "allocations", Aim: row.AtMost(0.8)}},
		Setup: func(t *row.T) (row.Side, row.Side) {
			ours, theirs := openLamp(t), openAccessory(t)
			return row.Side{Name: "xtls-agent", Measure: func() row.Sample { return allocated(ours, ours.device.allocations) }},
				row.Side{Name: peer.Name, Measure: func() row.Sample {
					return allocated(theirs, func() uint64 { return theirs.accessory.Allocations(t) })
				}}
		},
	}
}

func allocated(l lamp, count func() uint64) row.Sample {
	before := count()
	for i := range switchings {
		l.set(i%2 == 0)
	}
	after := count()
	return row.Sample{Values: []float64{float64(after-before) / switchings}, Work: work(l, switchings)}
}
