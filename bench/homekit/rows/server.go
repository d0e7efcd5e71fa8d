package rows

import (
	"fmt"
	"os"
	"path/filepath"

	"xtls-agent/bench/row"
	"xtls-agent/internal/testpeer"
)

// onServer is the settings of a device that has an account, and is not on the LAN.
func onServer(t *row.T, server *testpeer.XMPPServer, jid, password string) string {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("[lan]\nenabled = false\n[xmpp]\njid = %q\npassword_file = %q\nserver = %q\nca_file = %q\n", jid, file, server.Addr, server.CAFile)
}
