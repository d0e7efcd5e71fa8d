package pairing

import (
	"slices"
	"strings"
	"testing"
)

func TestAllowPatterns(t *testing.T) {
	a, err := ParsePatterns([]string{"*@home.example", "guest@other.example", "component.example"})
	if err != nil {
		t.Fatal(err)
	}
	for bare, want := range map[string]bool{
		"rob@home.example": true, "home.example": true, "guest@other.example": true, "component.example": true,
		"rob@other.example": false, "rob@sub.home.example": false, "rob@home.example.evil": false,
		"guest@other.example@home.example": false, "x@component.example": false, "": false, "anyone": false,
	} {
		if got := a.Match(bare); got != want {
			t.Errorf("Match(%q) = %v", bare, got)
		}
	}
	all, err := ParsePatterns([]string{"anyone"})
	if err != nil || !all.Match("mallory@evil.example") {
		t.Errorf("anyone does not match: %v", err)
	}
	if (Allow{}).Match("rob@home.example") {
		t.Error("the zero Allow matches")
	}
}

func TestAllowRefuses(t *testing.T) {
	for _, bad := range []string{"", "*", "*@", "*@*", "*@a@b", "*@home.example/x", "rob@home.example/phone", "Rob@home.example", "r*b@home.example", "@home.example"} {
		if _, err := ParsePatterns([]string{bad}); err == nil {
			t.Errorf("ParsePatterns accepts %q", bad)
		}
	}
	if _, err := ParseGuests([]string{"*@home.example"}); err == nil || !strings.Contains(err.Error(), "name each JID") {
		t.Errorf("ParseGuests of a pattern: %v", err)
	}
	if _, err := ParseGuests([]string{"guest@home.example", "anyone"}); err != nil {
		t.Error(err)
	}
	for n, want := range map[int]bool{maxAllow: true, maxAllow + 1: false} {
		if _, err := ParseGuests(slices.Repeat([]string{"anyone"}, n)); (err == nil) != want {
			t.Errorf("a list of %d: %v", n, err)
		}
	}
}
