package jingle

// state is where a session stands (XEP-0166 §5.1; its PENDING is two here, one for each role,
// since they may do different things).
//
//	        initiate ┌──────────┐ peer accepts
//	      ┌─────────▶│ offering │──────────────┐
//	      │          └────┬─────┘              ▼
//	   ┌──┴──┐            │                ┌────────┐  security-info,
//	   │ new │            │ terminate,     │ active │─┐ session-info
//	   └──┬──┘            │ peer ends it,  └────┬───┘◀┘
//	      │               │ lost                │
//	      │          ┌────┴─────┐               │
//	      └─────────▶│ offered  │───────────────┤ (the same three)
//	peer initiates   └────┬─────┘ accept        ▼
//	                      │                ┌────────┐
//	                      └───────────────▶│ ended  │
//	                                       └────────┘
//
// "offering" ends likewise. Nothing leaves "ended", and a session-info changes no state.
type state int

const (
	stateNew      state = iota // not yet offered
	stateOffering              // our session-initiate is out; the peer has to accept
	stateOffered               // the peer's session-initiate is here; our side has to accept
	stateActive
	stateEnded
	stateCount
)

// event is what can happen to a session.
type event int

const (
	eventInitiate event = iota
	eventPeerInitiate
	eventAccept
	eventPeerAccept
	eventSecurityInfo
	eventPeerSecurityInfo
	eventPeerInfo
	eventTerminate // by this side, for whatever reason
	eventPeerTerminate
	eventLost // the peer vanished, refused with an IQ error, or the link ended
	eventCount
)

// next returns the state that follows, or false if the event cannot happen in this state.
func next(s state, e event) (state, bool) {
	switch e {
	case eventInitiate:
		return stateOffering, s == stateNew
	case eventPeerInitiate:
		return stateOffered, s == stateNew
	case eventAccept:
		return stateActive, s == stateOffered
	case eventPeerAccept:
		return stateActive, s == stateOffering
	case eventSecurityInfo, eventPeerSecurityInfo:
		return stateActive, s == stateActive
	case eventPeerInfo:
		return s, s == stateOffering || s == stateOffered || s == stateActive
	case eventTerminate, eventPeerTerminate, eventLost:
		return stateEnded, s == stateOffering || s == stateOffered || s == stateActive
	}
	return s, false
}
