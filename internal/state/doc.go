// Package state keeps the few small files that a device must never lose: its
// identity, the peers it trusts, the counters of failed PINs.
//
// It follows DESIGN §5, "a lost pairing, or a resurrected one". Each file is kept
// in two copies, NAME.a and NAME.b. A copy is replaced as a whole: written to a
// temporary file, synced, renamed, the folder synced. Each copy carries a
// generation number and a SHA-256, so that whatever moment the power fails at,
// one copy is whole, and of two whole copies the newer one is known.
//
// What a caller may rely on:
//
//   - [Dir.Write] and [Dir.Remove] return nil only after both copies are durable.
//     What they did cannot be undone by the loss of either copy.
//   - A write that failed, or that the power cut short, leaves the old state or
//     the new one, never neither and never a mixture.
//   - A removal is itself a state (a tombstone) with a generation of its own, so
//     an old copy never brings back what was removed.
//   - If no copy is whole the file is damaged. It is set aside, and a marker takes
//     its place, which survives restarts: Read and Write give a [DamagedError]
//     until somebody calls Remove. Damaged means locked, never absent.
//
// Beside these files it has a [Log], which grows by entries and is there once: for what one may lose, if only one knows that it is lost.
//
// It is not a database and not a place for secrets from the administrator: files
// have mode 0600 and are not encrypted. Disks that acknowledge a sync and then
// forget it are beyond it.
package state
