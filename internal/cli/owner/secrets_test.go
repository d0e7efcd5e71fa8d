package owner

import (
	"strings"
	"testing"

	"xtls-agent/internal/cli"
	"xtls-agent/owner"
)

// DESIGN §5, "Secrets in logs": passwords can be given on stdin, since arguments show in ps; and only there.
func TestSecretsAreNoArguments(t *testing.T) {
	f := &owner.Form{Fields: []owner.Field{{Var: "jid"}, {Var: "password", Type: owner.Private}}}
	for args, ok := range map[string]bool{
		"jid=box@home.example": true, "jid=a password=-": true, "jid=password": true,
		"password=hunter2": false, "password=": false, "password=- password=hunter2": false,
	} {
		err := checkSecrets(f, strings.Fields(args))
		if (err == nil) != ok || err != nil && (!cli.IsUsage(err) || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%s: %v", args, err)
		}
	}
}
