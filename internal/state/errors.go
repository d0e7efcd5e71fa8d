package state

import (
	"fmt"
	"strings"
)

// LockedError says that another process has the folder open.
type LockedError struct {
	Path string // the folder
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("state: folder %s is in use by another running program; "+
		"stop that one first, or give this one a state folder of its own", e.Path)
}

// NotWritableError says that the folder cannot hold state.
type NotWritableError struct {
	Path string // the folder
	Err  error
}

func (e *NotWritableError) Error() string {
	return fmt.Sprintf("state: folder %s cannot be written: %v; "+
		"check who owns it and that its file system is not read-only, or choose another folder", e.Path, e.Err)
}

func (e *NotWritableError) Unwrap() error { return e.Err }

// DamagedError says that no copy of a file is whole. The file counts as locked,
// also after a restart, until [Dir.Remove].
type DamagedError struct {
	Path     string   // the folder
	Name     string   // the file
	SetAside []string // names in the folder under which the damaged copies were kept
	Err      error    // what was wrong, or went wrong when setting them aside; may be nil
}

func (e *DamagedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "state: %s in %s is damaged in both copies", e.Name, e.Path)
	if e.Err != nil {
		fmt.Fprintf(&b, " (%v)", e.Err)
	}
	if len(e.SetAside) > 0 {
		fmt.Fprintf(&b, ", kept as %s", strings.Join(e.SetAside, ", "))
	}
	b.WriteString("; it stays locked: restore the folder from a backup, or reset the device")
	return b.String()
}

func (e *DamagedError) Unwrap() error { return e.Err }
