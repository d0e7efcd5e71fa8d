package deps

import (
	"slices"
	"strings"
	"testing"
)

// leftOut is what the tag minimal leaves out of xtls-agent, and docs/configuration.md says so: the modules, and the packages of ours.
var leftOut = []string{
	"github.com/xmppo/go-xmpp", "periph.io/x/host", "periph.io/x/devices", "golang.org/x/image", "rsc.io/qr", "net/http", "github.com/holoplot/go-evdev",
	module + "/xmpp/goxmpp", module + "/owner", module + "/client",
}

// Somebody who imports one of them from a file without a tag makes the minimal build as large as the other, and nothing else would tell.
func TestMinimalLeavesOut(t *testing.T) {
	whole, minimal := deps(t), deps(t, "-tags", "minimal")
	for _, out := range leftOut {
		is := func(path string) bool { return path == out || strings.HasPrefix(path, out+"/") }
		if !slices.ContainsFunc(whole, is) {
			t.Errorf("xtls-agent does not link %s anyway: the list is out of date", out)
		}
		if i := slices.IndexFunc(minimal, is); i >= 0 {
			t.Errorf("xtls-agent with the tag minimal links %s", minimal[i])
		}
	}
}

// deps returns the packages that xtls-agent is linked of on a Raspberry Pi.
func deps(t *testing.T, flags ...string) []string {
	t.Helper()
	return strings.Fields(string(goList(t, "linux", "arm", append(flags, "-deps", "./cmd/xtls-agent")...)))
}
