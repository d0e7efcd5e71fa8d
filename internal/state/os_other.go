//go:build (!unix && !windows) || aix || solaris

package state

import (
	"io/fs"
	"os"
)

// lockFile does nothing: these systems (js/wasm among them) have no lock that ends
// with the process. Do not run two programs on one folder there.
func lockFile(*os.File) error { return nil }

// syncFolder makes the entries of an open folder durable.
func syncFolder(f *os.File) error { return f.Sync() }

// checkFolder does nothing where mode bits mean nothing.
func checkFolder(fs.FileInfo) error { return nil }
