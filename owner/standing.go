package owner

// Standing is how it stands with a device that is followed.
//
//	              opened                    ended
//	Connecting ────────────▶ Connected ───────────────▶ Reconnecting
//	  │   │                    ▲   ▲         opened       ▲   │
//	  │   │                    │   └──────────────────────│───┤
//	  │   └────────────────────│──── ended ───────────────┘   │
//	  │ missed                 │ opened                       │ missed
//	  └─────────────────────▶ Offline ◀───────────────────────┘
//
//	any ── failed ──▶ Over
//
// opened: there is a session, or the line beneath it is back. ended: there is none, or its line is lost, or one that was being opened was
// cut; another is being opened. missed: the device was looked for and is not there. failed: no other try would end otherwise.
type Standing string

// How it may stand with a device.
const (
	Connecting   Standing = "connecting" // there was no session yet
	Connected    Standing = "connected"
	Reconnecting Standing = "reconnecting"
	Offline      Standing = "offline" // and is looked for
	Over         Standing = "over"
)

type turn int

const (
	opened turn = iota
	ended
	missed
	failed
)

// next returns how it stands after t, and whether t may happen in s. Where it may not, nothing changes.
func (s Standing) next(t turn) (Standing, bool) {
	switch {
	case s == Over:
	case t == failed:
		return Over, true
	case t == opened && s != Connected:
		return Connected, true
	case t == ended && (s == Connected || s == Connecting):
		return Reconnecting, true
	case t == missed && (s == Connecting || s == Reconnecting):
		return Offline, true
	}
	return s, false
}
