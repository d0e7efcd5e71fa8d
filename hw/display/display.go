// Package display shows a person what the device is doing: the PIN, what to do
// with it, and what came of it.
//
// A display is opened by a spec string (see Open) and shows a Screen at a time.
// Every driver is given the same Screen and makes of it what its pixels or
// characters allow; pixel displays share one renderer. Multi runs several
// displays side by side, and retries those that fail.
//
// The package decides nothing: when a PIN exists, what is said and when a screen
// is cleared are the agent's business.
//
// Drivers must pass displaytest.Run.
package display

import (
	"fmt"
	"log/slog"

	"xtls-agent/hw/internal/spec"
)

// Screen is what a display shows: words a person knows. Every field may be
// empty. Text may come from a peer; drivers make it harmless (see clean).
//
// A Screen formats and logs without its PIN, whatever the verb.
type Screen struct {
	Title   string   // name of the device
	PIN     string   // digits, 8 of them when complete, without a space
	Lines   []string // what to do, or what happened; one sentence each
	Address string   // where the device is reached: its JID, or lan:HOST
	URI     string   // for a QR code: xmpp:JID?xtls-pair;pin=NNNNNNNN

	// Echo says that the PIN is what somebody is typing here, and that the next digit makes another screen. A Slow display may wait for it.
	Echo bool

	// Test asks for a test picture: every pixel, digit or character at work, and the lines. The rest is left out.
	Test bool
}

// GroupedPIN returns the PIN as people read it out: "1234 5678".
func (s Screen) GroupedPIN() string {
	if len(s.PIN) <= 4 {
		return s.PIN
	}
	return s.PIN[:4] + " " + s.PIN[4:]
}

// Format implements fmt.Formatter, so that no verb prints the PIN, nor the URI,
// which holds it.
func (s Screen) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "screen{%q %q pin:%t}", s.Title, s.Lines, s.PIN != "")
}

// LogValue implements slog.LogValuer for the same reason.
func (s Screen) LogValue() slog.Value {
	return slog.StringValue(fmt.Sprint(s))
}

// Display is one display. Both methods may be called from any goroutine and
// return in bounded time.
type Display interface {
	// Show replaces what the display shows. After an error the display may show
	// the old screen, the new one or neither; Show may be tried again, and
	// succeeds when the hardware is back.
	Show(Screen) error

	// Close clears the display and frees what it holds. It clears also what an
	// earlier process left there, even if Show was never called: no PIN
	// outlives its window because the agent crashed. After Close, Show fails.
	Close() error
}

// Turner is a display with too little room for a screen. It shows parts of it, one
// after the other; whoever runs it calls Turn from time to time. (Multi does.) So a
// display that stops between two parts is noticed as one that stops in Show.
type Turner interface {
	Display

	// Turn shows the next part, after the last the first again, and nothing new if
	// there is but one. Show begins with the first. Like Show it fails after Close,
	// and after an error Show may be tried again.
	Turn() error
}

// Slow is a display that takes seconds for a screen, and that each wears a little. Whoever runs it leaves out what is about to be
// replaced. (Multi does.)
type Slow interface {
	Display

	Slow()
}

func drivers() spec.Table[Env, Display] {
	all := hardwareDrivers()
	all["none"], all["term"] = parseNone, parseTerm
	return spec.Table[Env, Display]{Kind: "display", Drivers: all}
}

// Open returns the display that a spec string names:
//
//	term:                              a framed box on the terminal
//	png:FILE?w=640&h=360               a picture, rewritten at each change
//	ssd1306:/dev/i2c-N?addr=0x3c&h=64&rotate=0
//	ssd1306:/dev/spidevB.C?dc=GPIO25&reset=GPIO24&h=64&rotate=0
//	                                   an OLED of 128×64 or, with h=32, 128×32
//	st7567:/dev/spidevB.C?dc=GPIO6&reset=GPIO5&contrast=40&bias=7&rotate=0
//	                                   a liquid crystal display of 128×64
//	waveshare2in13v4:/dev/spidevB.C?dc=GPIO25&reset=GPIO17&busy=GPIO24&power=GPIO18&rotate=0
//	inky:/dev/spidevB.C?model=phat&color=black&dc=GPIO22&reset=GPIO27&busy=GPIO17&rotate=0
//	                                   e-paper
//	max7219:/dev/spidevB.C             eight digits
//	tm1637:?clk=GPIO23&dio=GPIO24&digits=6&order=123456
//	                                   six digits, or four
//	ht16k33:/dev/i2c-N?addr=0x70&boards=1&segments=14
//	                                   four digits, or eight on two boards
//	hd44780:?rs=GPIO26&e=GPIO19&d4=GPIO13&d5=GPIO6&d6=GPIO5&d7=GPIO12&size=16x2
//	aip31068:/dev/i2c-N?addr=0x3e&size=16x2
//	waveshare1602:/dev/i2c-N?backlight=rgb
//	                                   two or four rows of characters
//	fb:/dev/fb0                        a television or monitor, by the kernel's framebuffer
//	none:                              no display
//
// An unknown driver, an unknown parameter or a bad value is an error; there is
// no fallback. Hardware is opened by Show, not here: hardware that is missing now may
// be back later, a mistake in the configuration stays one.
func Open(text string, env Env) (Display, error) { return drivers().Open(text, env) }

// Check reports what Open would find wrong with a spec string. It opens nothing.
func Check(text string) error { return drivers().Check(text) }
