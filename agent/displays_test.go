package agent

import (
	"errors"
	"slices"
	"testing"
	"time"

	"xtls-agent/hw/display"
)

func TestDisplaysInWords(t *testing.T) {
	got := displaysInWords([]display.State{
		{Spec: "term:", Tried: true},
		{Spec: "fb:/dev/fb0"},
		{Spec: "none:", Tried: true},
		{Spec: "ssd1306:/dev/i2c-1", Tried: true, Since: time.Now().Add(-123 * time.Second), Err: errors.Join(
			errors.New("no answer"), errors.New("not closed"),
		)},
	})
	want := []string{
		"term: works", "fb:/dev/fb0 has its first screen to show", "none: shows nothing",
		"ssd1306:/dev/i2c-1 has failed for 2m3s: no answer",
	}
	if !slices.Equal(got, want) {
		t.Errorf("displaysInWords = %q, want %q", got, want)
	}
}
