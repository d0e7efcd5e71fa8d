package agent

import (
	"time"

	"xtls-agent/pairing"
)

// fadeAfter is how long the displays tell of what is over. Then they are blank: e-paper would keep an owner's address for
// months, and an OLED burns in.
const fadeAfter = time.Minute

// fadeLater lets a notice go from the displays after a while, if it has passed by then. A notice before it that has not gone yet does
// not take this one with it. signMu is held.
func (l *life) fadeLater(n pairing.Notice) {
	l.keepSign()
	if !n.Passes() {
		return
	}
	var faded *time.Timer // set before the callback has signMu
	faded = time.AfterFunc(fadeAfter, func() {
		l.changeSign(func(s *sign) {
			if l.fade == faded { // else a newer notice came while this waited
				s.notice, s.code, l.fade = pairing.Notice{}, "", nil
			}
		})
	})
	l.fade = faded
}

// keepSign lets nothing fade any more. signMu is held.
func (l *life) keepSign() {
	if l.fade != nil {
		l.fade.Stop()
		l.fade = nil
	}
}

// endFading leaves the displays to the next life.
func (l *life) endFading() {
	l.signMu.Lock()
	defer l.signMu.Unlock()
	l.keepSign()
}
