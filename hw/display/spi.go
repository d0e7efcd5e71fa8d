//go:build !minimal

package display

import (
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
)

// keptErrors is an SPI port whose driver does not look at errors, makes mere words of
// them, or writes them to the log of the process: they are kept here, and after the
// first nothing more is sent.
type keptErrors struct {
	spi.Port
	spi.Conn
	err error
}

// Connect implements spi.Port.
func (k *keptErrors) Connect(f physic.Frequency, mode spi.Mode, bits int) (spi.Conn, error) {
	var err error
	k.Conn, err = k.Port.Connect(f, mode, bits)
	return k, err
}

// String implements conn.Resource.
func (k *keptErrors) String() string { return k.Port.String() }

// Tx implements conn.Conn. It does not fail.
func (k *keptErrors) Tx(w, r []byte) error {
	if k.err == nil {
		k.err = k.Conn.Tx(w, r)
	}
	return nil
}

// tappedPort is an SPI port whose connection can be used beside the driver.
type tappedPort struct {
	spi.Port
	conn spi.Conn
}

// Connect implements spi.Port.
func (t *tappedPort) Connect(f physic.Frequency, mode spi.Mode, bits int) (c spi.Conn, err error) {
	t.conn, err = t.Port.Connect(f, mode, bits)
	return t.conn, err
}

// kernelSelects is a select line that the kernel drives by itself, with the bus.
type kernelSelects struct{ gpio.PinIO }

// Out implements gpio.PinOut.
func (kernelSelects) Out(gpio.Level) error { return nil }
