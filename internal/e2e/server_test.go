package e2e

import (
	"testing"

	"xtls-agent/internal/testpeer"
)

// servers and links are what the matrix is made of.
var (
	servers = map[string]func(testing.TB, testpeer.XMPPOptions) *testpeer.XMPPServer{
		"Prosody": testpeer.Prosody, "ejabberd": testpeer.Ejabberd,
	}
	links = []string{"c2s", "go-xmpp"}
)

// setting is a cell of the matrix.
type setting struct {
	server *testpeer.XMPPServer
	device string // the device's link
	owner  string // the owner's
}

// cells names the cells of one server's half of the matrix.
var cells = map[string]setting{
	"c2s and go-xmpp":     {device: "c2s", owner: "go-xmpp"},
	"c2s and c2s":         {device: "c2s", owner: "c2s"},
	"go-xmpp and go-xmpp": {device: "go-xmpp", owner: "go-xmpp"},
	"go-xmpp and c2s":     {device: "go-xmpp", owner: "c2s"},
}

// scenarios share one server of each kind, with accounts of their own. Each runs on one cell of the matrix at least, so
// chosen that every server and every link sees most of them.
var scenarios = []struct {
	name string
	on   map[string]string // server to cell
	run  func(*world, setting)
}{
	{"expired window", map[string]string{"Prosody": "c2s and c2s"}, expiredWindow}, // the longest: it comes first
	{"wrong PIN", map[string]string{"Prosody": "c2s and go-xmpp", "ejabberd": "go-xmpp and c2s"}, wrongPIN},
	{"typed PIN", map[string]string{"Prosody": "c2s and go-xmpp", "ejabberd": "go-xmpp and c2s"}, typedPIN},
	{"PIN with letters", map[string]string{"ejabberd": "c2s and c2s"}, pinWithLetters},
	{"closed window", map[string]string{"Prosody": "go-xmpp and c2s", "ejabberd": "c2s and go-xmpp"}, closedWindow},
	{"owners", map[string]string{"Prosody": "go-xmpp and go-xmpp", "ejabberd": "c2s and c2s"}, severalOwners},
	{"reset", map[string]string{"Prosody": "c2s and c2s", "ejabberd": "go-xmpp and go-xmpp"}, reset},
	{"restarts", map[string]string{"Prosody": "go-xmpp and go-xmpp", "ejabberd": "c2s and go-xmpp"}, restarts},
	{"two devices", map[string]string{"Prosody": "c2s and go-xmpp", "ejabberd": "go-xmpp and c2s"}, twoDevices},
	{"published certificates", map[string]string{"Prosody": "go-xmpp and c2s", "ejabberd": "c2s and go-xmpp"}, publishedCertificates},
	{"offline", map[string]string{"Prosody": "c2s and c2s", "ejabberd": "go-xmpp and go-xmpp"}, offline},
	{"not a device", map[string]string{"Prosody": "c2s and go-xmpp", "ejabberd": "c2s and c2s"}, notADevice},
	{"LAN name on the server", map[string]string{"Prosody": "c2s and c2s", "ejabberd": "go-xmpp and go-xmpp"}, lanNameOnServer},
	{"states", map[string]string{"Prosody": "c2s and c2s", "ejabberd": "go-xmpp and go-xmpp"}, statesOnServer},
	{"login", map[string]string{"Prosody": "c2s and go-xmpp", "ejabberd": "c2s and c2s"}, login},
	{"login by c2s", map[string]string{"Prosody": "c2s and c2s"}, login},
}

func TestOnServers(t *testing.T) {
	t.Parallel()
	for kind, start := range servers {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			server := start(t, testpeer.XMPPOptions{})
			for name, cell := range cells {
				cell.server = server
				t.Run("pair by "+name, func(t *testing.T) {
					t.Parallel()
					pairAndCall(newWorld(t), cell)
				})
			}
			for _, s := range scenarios {
				if s.on[kind] == "" {
					continue
				}
				cell := cells[s.on[kind]]
				cell.server = server
				t.Run(s.name, func(t *testing.T) {
					t.Parallel()
					s.run(newWorld(t), cell)
				})
			}
		})
	}
}

// newPair is a device and an owner that have accounts and know nothing of each other.
func (w *world) newPair(s setting, c boxConfig) (*box, *person) {
	w.Helper()
	c.server, c.link, c.noLAN = s.server, s.device, true
	return w.newBox(c), w.newOwner("romeo").account(s.server, s.owner)
}
