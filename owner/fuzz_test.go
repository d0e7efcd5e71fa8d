package owner

import (
	"bytes"
	"crypto/rand"
	"testing"
	"time"

	"xtls-agent/trust"
)

// FuzzLoadKeyring: a keyring that cannot be read is an error, never an empty one, and stays as it is.
func FuzzLoadKeyring(f *testing.F) {
	store := trust.NewMemStore()
	if _, err := LoadKeyring(store, "anna", time.Unix(0, 0), rand.Reader); err != nil {
		f.Fatal(err)
	}
	identity, err := store.Read(trust.IdentityFile)
	if err != nil {
		f.Fatal(err)
	}
	for _, devices := range []string{`{"version":1,"set":"devices","peers":[]}`, `{"version":2}`, `{"version":1,"set":"owners","peers":[]}`, "null", "", `{"version":1,"set":"devices","peers":[{}]}`} {
		f.Add([]byte(devices))
	}
	f.Fuzz(func(t *testing.T, devices []byte) {
		store := trust.NewMemStore()
		for name, data := range map[string][]byte{trust.IdentityFile: identity, devicesFile: devices} {
			if err := store.Write(name, data); err != nil {
				t.Fatal(err)
			}
		}
		k, err := LoadKeyring(store, "anna", time.Unix(0, 0), rand.Reader)
		if (err == nil) != (k != nil) || k != nil && !bytes.Contains(devices, []byte("devices")) {
			t.Fatalf("%q gave %v, %v", devices, k, err)
		}
		if kept, err := store.Read(devicesFile); err != nil || !bytes.Equal(kept, devices) {
			t.Fatalf("%q became %q", devices, kept)
		}
	})
}
