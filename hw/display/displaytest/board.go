//go:build !minimal

package displaytest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/i2c/i2ctest"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
	"periph.io/x/conn/v3/spi/spitest"

	"xtls-agent/hw/display"
)

// Board is a small computer with buses and GPIO lines, on periph's fakes. It keeps
// all that goes out in one sequence, of which a chip in memory makes what a person
// would see. The zero Board is ready for use, by any goroutine.
type Board struct {
	// Chips are the addresses at which something answers on I²C.
	Chips []uint16

	// React is told of each event, after it, with no lock held: what a chip does to
	// lines of its own, such as one that says it is busy, happens there. May be nil.
	React func(Event)

	mu     sync.Mutex // guards what follows
	events []Event
	lines  map[string]*boardLine
	fail   error
	left   int // writes until fail strikes
	open   int // what is open now, and not closed
}

// Event is something that went out: a line that was set, or a transfer.
type Event struct {
	Line  string // its name, or "" for a transfer
	Level gpio.Level

	SPI  bool   // else I²C
	Addr uint16 // on I²C
	Data []byte

	At time.Time // when
}

// Env is the board as drivers see it.
func (b *Board) Env() display.Env {
	return display.Env{Hardware: display.Hardware{OpenI2C: b.OpenI2C, OpenSPI: b.OpenSPI, OpenPin: b.OpenPin}}
}

// Fail lets writes to buses and lines fail with err after the next n; a nil error
// mends them.
func (b *Board) Fail(err error, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail, b.left = err, n
}

// Held is the number of buses and lines that are held now.
func (b *Board) Held() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open
}

// Crash ends whoever holds buses and lines, as the kernel does after a crash.
func (b *Board) Crash() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open = 0
	for _, l := range b.lines {
		l.held = false
	}
}

// PowerCycle forgets all that the display was told.
func (b *Board) PowerCycle() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = nil
}

// Events is what went out since the last PowerCycle.
func (b *Board) Events() []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.events[:len(b.events):len(b.events)]
}

// Bytes is the number of bytes that went over the buses, I²C addresses included.
func (b *Board) Bytes() int {
	n := 0
	for _, e := range b.Events() {
		if e.Line == "" {
			n += len(e.Data)
		}
		if e.Line == "" && !e.SPI {
			n++
		}
	}
	return n
}

// write lets do happen and keeps the event, unless the board fails.
func (b *Board) write(e Event, do func() error) error {
	b.mu.Lock()
	if b.fail != nil {
		if b.left == 0 {
			defer b.mu.Unlock()
			return b.fail
		}
		b.left--
	}
	err := do()
	if err == nil {
		e.At = time.Now()
		b.events = append(b.events, e)
	}
	b.mu.Unlock()
	if err == nil && b.React != nil {
		b.React(e)
	}
	return err
}

// handle is something of the board that can be opened and closed once.
type handle struct {
	b      *Board
	closed bool // guarded by b.mu
}

func (b *Board) handle() handle {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open++
	return handle{b: b}
}

// Close fails the second time.
func (h *handle) Close() error {
	h.b.mu.Lock()
	defer h.b.mu.Unlock()
	if h.closed {
		return errors.New("displaytest: closed twice")
	}
	h.closed = true
	h.b.open--
	return nil
}

// usable must be called with b.mu held.
func (h *handle) usable() error {
	if h.closed {
		return errors.New("displaytest: used after Close")
	}
	return nil
}

// OpenI2C is a display.Env.OpenI2C.
func (b *Board) OpenI2C(string) (i2c.BusCloser, error) {
	return &boardI2C{handle: b.handle(), rec: i2ctest.Record{Bus: chips(b.Chips)}}, nil
}

type boardI2C struct {
	handle
	rec i2ctest.Record
}

func (*boardI2C) String() string                  { return "i2c" }
func (*boardI2C) SetSpeed(physic.Frequency) error { return nil }

func (i *boardI2C) Tx(addr uint16, w, r []byte) error {
	return i.b.write(Event{Addr: addr, Data: append([]byte(nil), w...)}, func() error {
		if err := i.usable(); err != nil {
			return err
		}
		return i.rec.Tx(addr, w, r)
	})
}

// chips answer at their addresses. What is read of them is zero: none is ever busy.
type chips []uint16

func (chips) String() string                  { return "chips" }
func (chips) SetSpeed(physic.Frequency) error { return nil }

func (c chips) Tx(addr uint16, _, r []byte) error {
	for _, a := range c {
		if a == addr {
			clear(r)
			return nil
		}
	}
	return fmt.Errorf("displaytest: nothing answers at address %#x", addr)
}

// OpenSPI is a display.Env.OpenSPI.
func (b *Board) OpenSPI(string) (spi.PortCloser, error) {
	return &boardSPI{handle: b.handle()}, nil
}

type boardSPI struct {
	handle
	rec spitest.Record
}

func (*boardSPI) String() string                    { return "spi" }
func (*boardSPI) LimitSpeed(physic.Frequency) error { return nil }

// Connect insists on what spidev has: mode 0 and words of 8 bits.
func (s *boardSPI) Connect(f physic.Frequency, mode spi.Mode, bits int) (spi.Conn, error) {
	if mode != spi.Mode0 || bits != 8 {
		return nil, fmt.Errorf("displaytest: SPI in mode %v with words of %d bits", mode, bits)
	}
	c, err := s.rec.Connect(f, mode, bits)
	return &boardConn{Conn: c, port: s}, err
}

type boardConn struct {
	spi.Conn
	port *boardSPI
}

// maxTx is how many bytes spidev takes at once, as it comes.
const maxTx = 4096

func (c *boardConn) Tx(w, r []byte) error {
	return c.port.b.write(Event{SPI: true, Data: append([]byte(nil), w...)}, func() error {
		if err := c.port.usable(); err != nil {
			return err
		}
		if len(w) > maxTx {
			return fmt.Errorf("displaytest: %d bytes at once", len(w))
		}
		return c.Conn.Tx(w, r)
	})
}

// OpenPin is a display.Env.OpenPin. A line that is held already is refused.
func (b *Board) OpenPin(name string) (display.PinCloser, error) {
	l := b.line(name)
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.held {
		return nil, fmt.Errorf("displaytest: line %s is in use", name)
	}
	l.held = true
	b.open++
	return l, nil
}

// boardLine is a line of the board, with something at its other end.
type boardLine struct {
	*gpiotest.Pin
	b      *Board
	held   bool        // guarded by b.mu, as is:
	driven *gpio.Level // what the other end makes of it
}

// Edge is an edge that comes from a line's other end. It is lost if too many wait.
func (b *Board) Edge(name string, to gpio.Level) {
	select {
	case b.line(name).EdgesChan <- to:
	default:
	}
}

func (b *Board) line(name string) *boardLine {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lines == nil {
		b.lines = map[string]*boardLine{}
	}
	if b.lines[name] == nil {
		b.lines[name] = &boardLine{Pin: &gpiotest.Pin{N: name, EdgesChan: make(chan gpio.Level, 16)}, b: b}
	}
	return b.lines[name]
}

// Out implements gpio.PinOut.
func (l *boardLine) Out(level gpio.Level) error {
	return l.b.write(Event{Line: l.N, Level: level}, func() error {
		if !l.held {
			return errors.New("displaytest: a line is set that is not held")
		}
		return l.Pin.Out(level)
	})
}

// Read implements gpio.PinIn.
func (l *boardLine) Read() gpio.Level {
	l.b.mu.Lock()
	driven := l.driven
	l.b.mu.Unlock()
	if driven != nil {
		return *driven
	}
	return l.Pin.Read()
}

// Drive gives a line a level from its other end, whatever pulls it.
func (b *Board) Drive(name string, level gpio.Level) {
	l := b.line(name)
	b.mu.Lock()
	defer b.mu.Unlock()
	l.driven = &level
}

// Release lets go of a line's other end.
func (b *Board) Release(name string) {
	l := b.line(name)
	b.mu.Lock()
	defer b.mu.Unlock()
	l.driven = nil
}

// Close lets go of the line.
func (l *boardLine) Close() error {
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	if !l.held {
		return errors.New("displaytest: a line is closed twice")
	}
	l.held = false
	l.b.open--
	return nil
}
