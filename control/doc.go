// Package control is what an owner may do with a device: commands with fields, mounted as
// ad-hoc commands (XEP-0050) on the sessions that may have them.
//
// A [Registry] holds the commands. Whether somebody may use them is not decided here but by
// where it is mounted: on x509 sessions with an owner, and on the local socket. Every run
// learns who asked (its [Actor]). Three commands are built in: [StatusCommand],
// [PairCommand] and [OwnersCommand], each over a small interface that the device implements.
// Drivers, which do something in the world, lie beneath: control/exec runs programs.
//
// An outcome travels as a result form with the fields of [FieldOutput] and [FieldExit], and
// a note of type error where the command failed.
package control
