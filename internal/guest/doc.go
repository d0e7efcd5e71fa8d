// Package guest runs our programs on real kernels: computers that QEMU plays, with Debian's kernels and a file system in memory
// that holds what the test needs. Nothing of the machine outside is seen in there, and no network leads out.
//
// A test (package boards holds ours) says which Machine, which Files, starts it, and then works in it by calls:
//
//	g, err := guest.Start(ctx, guest.Config{Machine: guest.PiZero(), Files: guest.Files{"/bin/xtls-agent": agent}})
//	defer g.Close()
//	p, err := g.Start(ctx, hand.Command{Argv: []string{"/bin/xtls-agent", "run"}, Notify: true})
//	ready, err := p.Ready(ctx)                // so long from exec to READY=1
//	picture, err := g.ReadFile(ctx, "/run/pin.png")
//
// What a new kind of machine needs is a function that returns a Machine (machine.go); one more guest of a kind that is there, a
// test with its Config. Config.Root is for a guest with a file system of its own, such as a Debian with systemd: the kernel starts
// from memory all the same, loads the disk's driver, and hands over to the disk's /sbin/init; the hand goes along, as a service.
//
// Kernels come from the Debian mirror that the machine itself uses (build/kernel.sh) and stay in the user's cache, under
// xtls-agent/guests. To have newer ones, remove that folder.
//
// QEMU's emulation is slow, and its clock is the real one: what is timed in there compares with itself only.
package guest
