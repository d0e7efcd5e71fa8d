package rows

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"xtls-agent/bench/homekit"
	"xtls-agent/bench/homekit/lonely"
	"xtls-agent/bench/homekit/peer"
	"xtls-agent/bench/program"
	"xtls-agent/bench/row"
)

// idle is how long a device does nothing before its memory is looked at.
const idle = 2 * time.Second

// memory compares devices without a display: a PIN on a label and a button here, a setup code on a label there. It is looked at when they
// have done nothing for a while, before and after a pairing in the same process.
func memory() row.Row {
	aim := row.AtMost(0.8)
	return row.Row{
		Name: "memory", What: "resident memory", Pairs: 3,
		Figures: []row.Figure{{Name: "idle", Unit: "MB", Aim: aim}, {Name: "paired", Unit: "MB", Aim: aim}},
		Setup: func(t *row.T) (row.Side, row.Side) {
			network, agent, accessory := newNetwork(t), built(t, "xtls-agent", agentProgram, nil), built(t, "accessory", accessoryProgram, nil)
			return row.Side{Name: "xtls-agent", Measure: func() row.Sample { return ourMemory(t, network, agent) }},
				row.Side{Name: peer.Name, Measure: func() row.Sample { return accessoryMemory(t, network, accessory) }}
		},
	}
}

var memoryWork = row.Work{Count: 1, What: "unpaired, then paired"}

func ourMemory(t *row.T, network *lonely.Network, agent string) row.Sample {
	d := start(t, network, configure(t, headless, onLAN), agent, "run", "--config").listening()
	time.Sleep(idle)
	unpaired := resident(t, d.process)
	d.press()
	d.pair(newKeys(t), label)
	time.Sleep(idle)
	paired := resident(t, d.process)
	d.stop()
	d.knowsOwner()
	return row.Sample{Values: []float64{unpaired, paired}, Work: memoryWork}
}

func accessoryMemory(t *row.T, network *lonely.Network, program string) row.Sample {
	a := peer.Start(t, network, program, t.TempDir())
	time.Sleep(idle)
	unpaired := resident(t, a.Process)
	_ = pairAccessory(t, a).Close()
	time.Sleep(idle)
	paired := resident(t, a.Process)
	stop(t, a.Process)
	return row.Sample{Values: []float64{unpaired, paired}, Work: memoryWork}
}

// pairAccessory pairs it and has the first session with the stored keys, as ours does.
func pairAccessory(t *row.T, a *peer.Accessory) *homekit.Conn {
	conn, me := a.Dial(t), newController(t)
	known, err := conn.PairSetup(t.Context(), me, peer.TypedCode)
	if err == nil {
		err = conn.PairVerify(t.Context(), me, known)
	}
	if err != nil || !a.Paired(t) {
		t.Fatalf("the accessory was not paired: %v", err)
	}
	return conn
}

// binary compares the programs for ARMv6, static and stripped.
func binary(name string, aim float64, tags ...string) row.Row {
	return row.Row{
		Name: "binary/" + name, What: "ARMv6 program, " + name, Pairs: 1,
		Figures: []row.Figure{{Unit: "MB", Aim: row.AtMost(aim)}},
		Setup: func(t *row.T) (row.Side, row.Side) {
			ours := built(t, "xtls-agent-armv6-"+name, agentProgram, program.ARMv6, tags...)
			theirs := built(t, "accessory-armv6", accessoryProgram, program.ARMv6)
			return row.Side{Name: "xtls-agent", Measure: func() row.Sample { return size(t, ours) }},
				row.Side{Name: peer.Name, Measure: func() row.Sample { return size(t, theirs) }}
		},
	}
}

func size(t *row.T, program string) row.Sample {
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	kind := "another program"
	if bytes.HasPrefix(data, []byte("\x7fELF\x01\x01\x01")) && data[18] == 40 { // 32 bits, little endian, ARM
		kind = "ARM"
	}
	return row.Sample{Values: []float64{float64(len(data)) / 1e6}, Work: row.Work{Count: 1, What: kind}}
}

// startARM times a device that was paired before and is switched on, up to the moment at which somebody can connect.
func startARM() row.Row {
	return row.Row{
		Name: "start/arm", What: "start to ready, ARMv6 under qemu", Pairs: 7,
		Figures: []row.Figure{{Name: "time", Unit: "ms", Aim: row.AtMost(1)}, {Name: "CPU time", Unit: "ms", Aim: row.AtMost(1)}},
		Setup: func(t *row.T) (row.Side, row.Side) {
			qemu, err := exec.LookPath("qemu-arm-static")
			if err != nil {
				t.Fatal(err)
			}
			network := newNetwork(t)
			ours, box := built(t, "xtls-agent-armv6-packaged", agentProgram, program.ARMv6), pairedDevice(t, network)
			theirs, db := built(t, "accessory-armv6", accessoryProgram, program.ARMv6), pairedAccessory(t, network)
			return row.Side{Name: "xtls-agent", Measure: func() row.Sample {
					began := time.Now()
					d := start(t, network, box, qemu, "-cpu", "arm1176", ours, "run", "--config").listening()
					took, cpu := time.Since(began), computed(t, d.process)
					d.stop()
					d.knowsOwner()
					return row.Sample{Values: []float64{row.Milliseconds(took), cpu}, Work: startWork}
				}}, row.Side{Name: peer.Name, Measure: func() row.Sample {
					began := time.Now()
					a := peer.Start(t, network, qemu, db, "-cpu", "arm1176", theirs)
					took, cpu := time.Since(began), computed(t, a.Process)
					stop(t, a.Process)
					return row.Sample{Values: []float64{row.Milliseconds(took), cpu}, Work: startWork}
				}}
		},
	}
}

var startWork = row.Work{Count: 1, What: "takes connections"}

// pairedDevice returns the folder of a device that has an owner, and is switched off.
func pairedDevice(t *row.T, network *lonely.Network) string {
	d := start(t, network, configure(t, headless, onLAN), built(t, "xtls-agent", agentProgram, nil), "run", "--config").listening()
	d.press()
	d.pair(newKeys(t), label)
	d.stop()
	d.knowsOwner()
	return d.dir
}

// pairedAccessory is the same for the accessory.
func pairedAccessory(t *row.T, network *lonely.Network) string {
	a := peer.Start(t, network, built(t, "accessory", accessoryProgram, nil), filepath.Join(t.TempDir(), "db"))
	_ = pairAccessory(t, a).Close()
	stop(t, a.Process)
	return a.Folder
}
