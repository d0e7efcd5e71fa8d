package account

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// The iterations of PBKDF2 that are taken from a server: fewer make the password cheap to guess (RFC 5802 §5.1),
// many more would keep a small board busy for minutes.
const (
	minIterations = 4096
	maxIterations = 1_000_000
)

// CheckChallenge holds the server's first message of SCRAM to the grammar of RFC 5802 §7: nonce, which begins with ours, salt,
// iterations, extensions. The libraries that go on with it do not bound the iterations, and c2s's loops for ever on an
// empty field.
func CheckChallenge(challenge, nonce []byte) error {
	fields := bytes.Split(challenge, []byte(","))
	if len(fields) < 3 {
		return errors.New("the server's SCRAM message is incomplete")
	}
	for i, f := range fields {
		if len(f) < 3 || f[1] != '=' || i < 3 && f[0] != "rsi"[i] || i >= 3 && bytes.IndexByte([]byte("rsim"), f[0]) >= 0 {
			return errors.New("the server's SCRAM message is malformed")
		}
	}
	if len(fields[0]) <= len("r=")+len(nonce) || !bytes.HasPrefix(fields[0][2:], nonce) {
		return errors.New("the server's SCRAM message does not answer ours")
	}
	iterations, err := strconv.Atoi(string(fields[2][2:]))
	if err != nil || iterations < minIterations || iterations > maxIterations {
		return fmt.Errorf("the server wants %.20q iterations of SCRAM; %d to %d are taken", fields[2][2:], minIterations, maxIterations)
	}
	return nil
}
