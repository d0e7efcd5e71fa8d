package pairing

import (
	"strings"
	"unicode"
)

// shortLine is what a line of a 128 pixel wide display holds, in a font 7 pixels wide.
const shortLine = 18

// A wording says one thing twice: in a sentence, which terminals and larger displays
// wrap, and in a line of at most shortLine characters. In both, %s is the peer.
type wording struct{ long, short string }

// words is all that the device says to people about pairing, in one place.
func words(k NoticeKind) wording {
	switch k {
	case NoticePIN:
		return wording{"Type this PIN on your phone or computer.", "type this PIN"}
	case NoticeLabel:
		return wording{"Ready to pair: type the PIN on the device's label.", "PIN: see the label"}
	case NoticePress:
		return wording{"Press the button on the device to start pairing.", "press the button"}
	case NoticeWrongPIN:
		return wording{"Wrong PIN, here is a new one.", "wrong, a new PIN:"}
	case NoticeCrowded:
		return wording{"Wrong PIN. Several are trying, so this one stays.", "wrong, try again:"}
	case NoticeWait:
		return wording{"Wrong PIN, please wait a moment.", "wrong PIN, wait"}
	case NoticeMayNotTry:
		return wording{"%s tried to pair, but may not.", "refused %s"}
	case NoticeFinishing:
		return wording{"PIN correct, pairing with %s …", "pairing …"}
	case NoticeUnfinished:
		return wording{"Pairing was interrupted, please try again.", "please try again"}
	case NoticeStored:
		return wording{"Almost paired with %s …", "almost paired …"}
	case NoticePaired:
		return wording{"Paired with %s.", "paired %s"}
	case NoticeClosed:
		return wording{"Pairing is closed. Press the button to open it.", "pairing closed"}
	case NoticeTooMany:
		return wording{"Too many wrong PINs, pairing is closed. Press the button to open it.", "too many wrong"}
	case NoticeLocked:
		return wording{"Pairing is locked, hold the button for 3 seconds.", "locked, hold key"}
	case NoticeDamaged:
		return wording{"The device's memory is damaged, pairing is locked. Hold the button: 3 seconds to unlock, 10 to start afresh.", "memory damaged"}
	case NoticeUnlocked:
		return wording{"Unlocked. Press the button to pair.", "unlocked"}
	case NoticeReset:
		return wording{"The device has forgotten its owners.", "device was reset"}
	case NoticeStorage:
		return wording{"The device cannot write to its memory, so it cannot pair. See its log.", "cannot store"}
	case NoticeFault:
		return wording{"The device cannot make a PIN. See its log.", "fault, see log"}
	case NoticeClockNotSet:
		return wording{"The clock is not set. The device waits for the time before it connects.", "clock not set"}
	case NoticeBegin:
		return wording{"Start pairing on your phone or computer. It shows the PIN to type here.", "start on phone"}
	case NoticeType:
		return wording{"Type the PIN that %s shows, then OK.", "type PIN, then OK"}
	case NoticeTypeYours:
		return wording{"Several want to pair. Type the PIN that your own phone or computer shows, then OK.", "type your own PIN"}
	case NoticeTyping:
		return wording{"Type 8 digits, then OK.", "8 digits, then OK"}
	case NoticeFull:
		return wording{"Is that your PIN? Press OK.", "press OK"}
	case NoticeShort:
		return wording{"Digits are missing: a PIN has 8 of them.", "digits missing"}
	case NoticeTrivial:
		return wording{"This PIN is too easy to guess, choose another.", "too easy to guess"}
	case NoticeUsed:
		return wording{"This PIN was used before. Start again on your phone or computer.", "that PIN is used"}
	case NoticeChecking:
		return wording{"Checking the PIN …", "checking …"}
	case NoticeMistyped:
		return wording{"Wrong PIN. Start again on your phone or computer: it shows a new one.", "wrong PIN, again"}
	}
	return wording{}
}

// Text is the notice as a sentence, without the PIN.
func (n Notice) Text() string {
	return strings.ReplaceAll(words(n.Kind).long, "%s", clean(n.Peer, 64))
}

// Short is the notice in at most 18 characters, without the PIN.
func (n Notice) Short() string {
	w := words(n.Kind).short
	return strings.ReplaceAll(w, "%s", clean(n.Peer, shortLine-len(w)+len("%s")))
}

// clean makes a JID from the network fit for a display: nothing that does not print, so
// no control characters and no marks that turn the direction of writing, and at most
// limit characters.
func clean(peer string, limit int) string {
	if peer == "" {
		peer = "?"
	}
	var out []rune
	for _, r := range peer {
		if len(out) == limit {
			out[limit-1] = '…'
			break
		}
		if !unicode.IsPrint(r) {
			r = '?'
		}
		out = append(out, r)
	}
	return string(out)
}
