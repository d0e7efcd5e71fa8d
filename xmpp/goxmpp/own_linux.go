package goxmpp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strconv"
)

// ownSocket reports whether the IPv4 socket at local, connected to remote, belongs to this process's user. It asks the
// kernel's table of connections (proc(5), /proc/net/tcp); where that does not list even our own end it believes it.
func ownSocket(local, remote *net.TCPAddr) bool {
	table, err := os.ReadFile("/proc/self/net/tcp")
	if err != nil {
		return true
	}
	from, to := []byte(procAddr(local)), []byte(procAddr(remote))
	listed := false
	for line := range bytes.Lines(table) {
		// sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode …
		f := bytes.Fields(line)
		switch {
		case len(f) <= 7:
		case bytes.Equal(f[1], from) && bytes.Equal(f[2], to):
			return string(f[7]) == strconv.Itoa(os.Getuid())
		case bytes.Equal(f[1], to) && bytes.Equal(f[2], from):
			listed = true
		}
	}
	return !listed
}

// procAddr writes an address as the table does: the four bytes as one number of the machine's byte order.
func procAddr(a *net.TCPAddr) string {
	return fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(a.IP.To4()), a.Port)
}
