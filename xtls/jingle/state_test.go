package jingle

import "testing"

// Every pair of state and event. A dash is an event that cannot happen there.
func TestNext(t *testing.T) {
	const none = state(-1)
	table := [stateCount][eventCount]state{
		//               initiate       peerInitiate  accept       peerAccept   secInfo      peerSecInfo  peerInfo       terminate   peerTerminate lost
		stateNew:      {stateOffering, stateOffered, none, none, none, none, none, none, none, none},
		stateOffering: {none, none, none, stateActive, none, none, stateOffering, stateEnded, stateEnded, stateEnded},
		stateOffered:  {none, none, stateActive, none, none, none, stateOffered, stateEnded, stateEnded, stateEnded},
		stateActive:   {none, none, none, none, stateActive, stateActive, stateActive, stateEnded, stateEnded, stateEnded},
		stateEnded:    {none, none, none, none, none, none, none, none, none, none},
	}
	for s := range stateCount {
		for e := range eventCount {
			got, ok := next(s, e)
			if want := table[s][e]; ok != (want != none) || ok && got != want {
				t.Errorf("next(%d, %d) = %d, %v; want %d", s, e, got, ok, want)
			}
		}
	}
}
