package guest

import (
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"time"
)

// monitor is QEMU's own line, on which it is told what happens to the machine (QEMU Machine Protocol).
type monitor struct {
	mu   sync.Mutex // guards what follows: one command at a time
	conn net.Conn
	in   *json.Decoder
}

// monitorTime is what QEMU may take to answer.
const monitorTime = time.Minute

func newMonitor(conn net.Conn) *monitor { return &monitor{conn: conn, in: json.NewDecoder(conn)} }

// greet ends the negotiation of what QEMU offers: nothing of it is wanted.
func (m *monitor) greet() error { return m.do("qmp_capabilities", nil) }

// do has QEMU carry out a command.
func (m *monitor) do(command string, arguments map[string]any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.conn.SetDeadline(time.Now().Add(monitorTime)); err != nil {
		return err
	}
	order := map[string]any{"execute": command}
	if arguments != nil {
		order["arguments"] = arguments
	}
	if err := json.NewEncoder(m.conn).Encode(order); err != nil {
		return fmt.Errorf("guest: QEMU: %w", err)
	}
	for {
		var said struct {
			Return json.RawMessage
			Error  *struct{ Desc string }
		}
		if err := m.in.Decode(&said); err != nil {
			return fmt.Errorf("guest: QEMU: %w", err)
		}
		switch { // the rest are its greeting, and events
		case said.Error != nil:
			return fmt.Errorf("guest: QEMU: %s: %s", command, said.Error.Desc)
		case said.Return != nil:
			return nil
		}
	}
}

func (m *monitor) close() error { return m.conn.Close() }
