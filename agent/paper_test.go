//go:build !minimal

package agent

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"xtls-agent/hw/display"
	"xtls-agent/hw/display/displaytest"
	"xtls-agent/internal/testpeer/qr"
	"xtls-agent/trust"
)

// A box whose only display is e-paper pairs at its start as any other: the paper is at its first screen when the window
// would be opened, and nobody has pressed a button.
func TestPaperAloneShowsThePIN(t *testing.T) {
	paper := displaytest.NewWaveshare2in13v4()
	paper.Takes = 1500 * time.Millisecond
	cfg, err := ParseConfig([]byte(`
name = "Test box"
display = ["waveshare2in13v4:/dev/spidev0.0?dc=DC&reset=RST&busy=BUSY"]
run_dir = "` + t.TempDir() + `"
[lan]
listen = "127.0.0.1:0"
mdns = false
`))
	if err != nil {
		t.Fatal(err)
	}
	a := New(cfg, trust.NewMemStore(), Env{Log: slog.New(slog.DiscardHandler), Display: display.Env{Hardware: paper.Env().Hardware}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	uri := ""
	for range 200 {
		if uri = onPaper(t, paper); uri != "" {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if !strings.HasPrefix(uri, "xmpp:") || !strings.Contains(uri, "?xtls-pair;pin=") {
		t.Errorf("the paper's QR code says %q", uri)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if left := onPaper(t, paper); left != "" {
		t.Error("a PIN is left on the paper")
	}
}

// onPaper is what the QR code says, or "" if there is none.
func onPaper(t *testing.T, paper *displaytest.Paper) string {
	t.Helper()
	img, err := paper.Picture()
	if err != nil {
		t.Fatal(err)
	}
	text, err := qr.Read(img)
	if err != nil {
		return ""
	}
	return text
}
