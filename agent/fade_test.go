package agent

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"xtls-agent/hw/button"
	"xtls-agent/hw/display"
	"xtls-agent/pairing"
)

// empty reports whether nothing is shown, not even the device's name: what stands for months burns in.
func empty(s display.Screen) bool {
	return fmt.Sprint(s) == fmt.Sprint(display.Screen{}) && s.Address == "" && s.URI == ""
}

// What is over stands on a display for a minute.
func TestDisplaysAreBlankedAfterUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _, screen, end := watched(t)
		if err := l.keeper.Open(pairing.Opening{By: pairing.ByButton}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(150 * time.Second)
		if screen.Last().PIN == "" {
			t.Error("the PIN is gone before its window")
		}
		time.Sleep(35 * time.Second)
		if s := screen.Last(); !strings.Contains(fmt.Sprint(s), "Pairing is closed") {
			t.Errorf("5 s after the window the display shows %v", s)
		}
		time.Sleep(time.Minute)
		if s := screen.Last(); !empty(s) {
			t.Errorf("a minute later it shows %v", s)
		}
		l.sign.code = "123456"
		l.show(pairing.Notice{Kind: pairing.NoticePaired, Peer: "romeo@phone"})
		time.Sleep(59 * time.Second)
		if s := fmt.Sprint(screen.Last()); !strings.Contains(s, "romeo@phone") || !strings.Contains(s, "123 456") {
			t.Errorf("after 59 s the display shows %v", s)
		}
		time.Sleep(2 * time.Second)
		if s := screen.Last(); !empty(s) {
			t.Errorf("after a minute it shows %v", s)
		}
		_ = end()
	})
}

// Nothing that is said later fades with what was said before, and what is wrong stands.
func TestBlankingTakesNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, b, screen, end := watched(t)
		after := func(d time.Duration, want string) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if s := screen.Last(); !strings.Contains(fmt.Sprint(s), want) || strings.Contains(fmt.Sprint(s), "Paired") {
				t.Errorf("the display shows %v, want %q", s, want)
			}
		}
		paired := pairing.Notice{Kind: pairing.NoticePaired, Peer: "romeo@phone"}
		l.show(paired)
		l.trouble("The server does not answer.")
		after(61*time.Second, "The server does not answer.")
		l.trouble("")
		if s := screen.Last(); !empty(s) {
			t.Errorf("when it is over: %v", s)
		}
		for _, kind := range []pairing.NoticeKind{
			pairing.NoticeLocked, pairing.NoticeDamaged, pairing.NoticeStorage, pairing.NoticeLabel, pairing.NoticePress,
		} {
			l.show(paired)
			time.Sleep(30 * time.Second)
			l.show(pairing.Notice{Kind: kind})
			after(time.Hour, pairing.Notice{Kind: kind}.Text())
		}
		l.show(paired)
		time.Sleep(58 * time.Second)
		b.Do(button.Held)
		after(4*time.Second, "Wiping in 3")
		b.Do(button.HoldCancelled)
		synctest.Wait()
		if s := screen.Last(); !empty(s) {
			t.Errorf("after letting go: %v", s)
		}
		l.show(paired)
		l.endFading()
		time.Sleep(time.Hour)
		if s := fmt.Sprint(screen.Last()); !strings.Contains(s, "Paired") {
			t.Errorf("a life that has ended shows %v", s)
		}
		_ = end()
	})
}
