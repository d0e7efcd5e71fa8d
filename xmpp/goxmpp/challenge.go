package goxmpp

import (
	"bytes"
	"encoding/base64"
	"errors"

	"xtls-agent/xmpp/internal/account"
)

// maxChallenge bounds a challenge and its tags, in bytes.
const maxChallenge = 8 << 10

var errOddChallenge = errors.New("the server's SCRAM message is not written as servers write it: somebody may be interfering")

// checkChallenges holds every SASL challenge in what a server sends during the login to [account.CheckChallenge], since the library
// computes whatever it is asked for. It returns the beginning of one that has not ended yet, or nil.
//
// It is no XML parser but takes one form only, <challenge xmlns='…'>base64</challenge>: a prefix, an entity, a comment
// or anything else that it might read otherwise than the library does is an error.
func checkChallenges(text []byte) (unfinished []byte, err error) {
	if bytes.Contains(text, []byte(":challenge")) {
		return nil, errOddChallenge
	}
	for {
		at := bytes.Index(text, []byte("<challenge"))
		if at < 0 {
			return nil, nil
		}
		text = text[at:]
		tag, rest, _ := bytes.Cut(text, []byte(">"))
		if len(text) > maxChallenge || bytes.HasSuffix(tag, []byte("/")) {
			return nil, errOddChallenge
		}
		body, rest, _ := bytes.Cut(rest, []byte("<"))
		end, rest, whole := bytes.Cut(rest, []byte(">"))
		if !whole {
			return text, nil
		}
		first, err := base64.StdEncoding.DecodeString(string(body))
		if err != nil || string(bytes.TrimSpace(end)) != "/challenge" {
			return nil, errOddChallenge
		}
		if err := account.CheckChallenge(first, nil); err != nil { // the library looks for its nonce itself
			return nil, err
		}
		text = rest
	}
}
