package jingle

import "testing"

// What is neither 20 nor 32 bytes long is no fingerprint, and does not take the place of one.
func TestFingerprintOfAnOddLengthIsNone(t *testing.T) {
	odd := `<fingerprint>` + hex32[2:] + `</fingerprint>`
	for inside, want := range map[string]string{
		odd: "",
		odd + `<fingerprint>` + hex32 + `</fingerprint>`: hex32,
		`<fingerprint/>`: "",
	} {
		s, err := ParseSecurity(element(t, securityOf(inside)))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if s.Fingerprint != nil {
			got = s.Fingerprint.Hex
			if got == "" {
				got = "an empty one"
			}
		}
		if got != want {
			t.Errorf("%s was read as %s", inside, got)
		}
	}
}
