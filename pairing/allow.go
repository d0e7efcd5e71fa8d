package pairing

import (
	"fmt"
	"strings"
)

// maxAllow bounds an allow list: a window's comes from a form that an owner fills in.
const maxAllow = 64

const (
	anyone   = "anyone"
	wildcard = "*@"
)

// An Allow is a list of peers who may try to pair. The zero Allow allows nobody.
type Allow struct {
	anyone  bool
	jids    map[string]bool
	domains map[string]bool
}

// ParsePatterns reads the allow list of the configuration: bare JIDs, *@domain,
// or the word anyone.
func ParsePatterns(list []string) (Allow, error) {
	return parseAllow(list, true)
}

// ParseGuests reads the allow list of one window: bare JIDs, or the word anyone.
func ParseGuests(list []string) (Allow, error) {
	return parseAllow(list, false)
}

func parseAllow(list []string, patterns bool) (Allow, error) {
	if len(list) > maxAllow {
		return Allow{}, fmt.Errorf("pairing: allow list: %d entries, at most %d are possible", len(list), maxAllow)
	}
	a := Allow{jids: map[string]bool{}, domains: map[string]bool{}}
	for _, entry := range list {
		domain, isPattern := strings.CutPrefix(entry, wildcard)
		switch {
		case entry == anyone:
			a.anyone = true
		case isPattern && !patterns:
			return Allow{}, fmt.Errorf("pairing: allow list: %.100q: name each JID, or %q", entry, anyone)
		case isPattern && (checkBare(domain) != nil || strings.Contains(domain, "@")):
			return Allow{}, fmt.Errorf("pairing: allow list: %.100q: a domain must follow %s", entry, wildcard)
		case isPattern:
			a.domains[domain] = true
		case checkBare(entry) != nil || strings.Contains(entry, "*"): // a JID may hold a *, but here it is a slip
			return Allow{}, fmt.Errorf("pairing: allow list: %.100q is no bare JID in lower case, nor %q", entry, anyone)
		default:
			a.jids[entry] = true
		}
	}
	return a, nil
}

// Match reports whether the list allows the bare JID, which must be in prepared form.
func (a Allow) Match(bare string) bool {
	return a.anyone || a.jids[bare] || a.domains[domainOf(bare)]
}

// domainOf returns the domain of a bare JID.
func domainOf(bare string) string {
	_, domain, found := strings.Cut(bare, "@")
	if !found {
		return bare
	}
	return domain
}
