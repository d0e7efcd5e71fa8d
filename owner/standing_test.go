package owner

import "testing"

func TestStandingNext(t *testing.T) {
	want := map[Standing]map[turn]Standing{
		Connecting:   {opened: Connected, ended: Reconnecting, missed: Offline, failed: Over},
		Connected:    {ended: Reconnecting, failed: Over},
		Reconnecting: {opened: Connected, missed: Offline, failed: Over},
		Offline:      {opened: Connected, failed: Over},
		Over:         {},
	}
	for s, turns := range want {
		for _, e := range []turn{opened, ended, missed, failed} {
			next, ok := s.next(e)
			if to, may := turns[e]; ok != may || may && next != to || !may && next != s {
				t.Errorf("%s after %d: %s, %v", s, e, next, ok)
			}
		}
	}
}
