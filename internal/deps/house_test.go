package deps

// floor is a package of the house, and what it may import of the module, outside of tests.
type floor struct {
	pkg string
	may []string // a package, or with "/..." itself and all beneath it
}

// forTests is what exists for tests, and so may be imported by tests and by itself alone. What a test may import otherwise
// is everything that stands below its package: it may look at what it got from a lower floor, but not from a higher one.
var forTests = []string{
	"internal/testpeer", "internal/testpeer/qr", "xmpp/linktest", "xmpp/internal/peerlink", "hw/display/displaytest", "hw/button/buttontest", "hw/output/outputtest",
	"internal/cli/clitest", "internal/prove", "internal/guest", "internal/guest/hand", "internal/guest/hand/init",
	"internal/fuzztest", "internal/state/statetest", "internal/evil", "internal/faults", "internal/unruly",
}

// house lists every package, from the roof to the ground. Whatever one may import stands below it. It is the table
// of docs/ARCHITECTURE.md; a package that is new needs its line here first.
var house = []floor{
	{"cmd/xtls-agent", []string{"internal/cli", "internal/cli/device"}},
	{"cmd/xtlsctl", []string{"internal/cli", "internal/cli/owner"}},
	{"contrib/prosody", nil}, // tests of a module for Prosody
	{"docs/man", nil},        // tests that the man pages tell what the commands do
	{"internal/deps", nil},
	{"internal/dist", nil},                             // what `make dist` builds
	{"internal/e2e", nil},                              // runs the two programs as processes
	{"internal/evil", []string{"xmpp", "xmpp/stream"}}, // a server in the hands of an attacker, and the tests with it
	{"internal/unruly", []string{"xmpp", "xmpp/stream", "xmpp/c2s", "internal/testpeer"}}, // a server that spoils stanzas, and the tests with it
	{"internal/mutants", nil},                          // takes the security checks out of the program, to see whether a test notices
	{"internal/faults", []string{"internal/testpeer"}}, // spoils connections by a plan
	{"internal/guest/boards", nil},                     // runs the two programs on real kernels
	{"internal/guest", []string{"internal/guest/hand"}},
	{"internal/guest/hand/init", []string{"internal/guest/hand"}}, // a guest's first program
	{"internal/guest/hand", nil},
	{"internal/cli/owner", []string{"internal/cli", "client", "owner"}},
	// internal/state: package agent takes a Store and knows of no folder, so the command opens it.
	{"internal/cli/device", []string{"internal/cli", "internal/state", "agent/...", "client", "owner"}},
	{"internal/cli/clitest", nil}, // what the scripts of both programs share
	{"internal/cli", nil},

	// The owner's library as a program for JavaScript; xmpp and trust for the link and the store that it adapts.
	{"owner/wasm", []string{"owner", "trust", "xmpp"}},

	// hw: setup looks for hardware, trial tries it, and agent drives it. They are the only ones to import hw.
	{"agent/setup", []string{"agent", "agent/trial", "hw/display", "hw/button"}},
	{"agent/trial", []string{"hw/display", "hw/button", "hw/output"}},

	// Everything but the owner's side.
	{"agent", []string{"control/...", "pairing", "xtls/...", "trust", "internal/state", "xmpp/...", "hw/..."}},
	{"client", []string{"owner", "internal/state", "xmpp/c2s", "xmpp/goxmpp", "xmpp/lan"}},
	{"owner", []string{"control", "pairing", "xtls", "xtls/jingle", "trust", "xmpp", "xmpp/adhoc", "xmpp/disco", "xmpp/form", "xmpp/stream"}},

	{"control/exec", []string{"control", "xmpp/..."}},
	{"control", []string{"control/journal", "xmpp", "xmpp/adhoc", "xmpp/disco", "xmpp/form"}},
	{"control/journal", nil},
	// A program that tests watch while it computes with a PIN.
	{"xtls/tlssrp/cttest", []string{"pairing", "xtls/tlssrp", "xtls/tlssrp/internal/srp"}},
	// xmpp/pubsub: certificates are published in the words of enrolment, <keyinfo/>.
	{"pairing", []string{"xtls", "trust", "xmpp", "xmpp/pubsub", "xmpp/stream"}},

	{"xtls/tlssrp/peertest", nil},
	{"xtls", []string{"xtls/...", "xmpp"}},
	{"xtls/tlssrp", []string{"xtls/tlssrp/internal/..."}},
	{"xtls/tlssrp/internal/srp", []string{"xtls/tlssrp/internal/modexp"}},
	{"xtls/tlssrp/internal/modexp", nil},
	{"xtls/tlssrp/internal/cbc", nil},
	{"xtls/jingle/ibb", []string{"xmpp"}},
	{"xtls/jingle", []string{"xmpp"}},
	{"trust", nil},
	{"internal/state", []string{"internal/state/vfs"}},
	{"internal/state/statetest", []string{"internal/state/vfs"}}, // a folder in memory that replays power cuts
	{"internal/state/vfs", nil},

	{"xmpp/lan", []string{"xmpp", "xmpp/stream"}},
	{"xmpp/goxmpp", []string{"xmpp", "xmpp/internal/account"}},
	{"xmpp/c2s", []string{"xmpp", "xmpp/stream", "xmpp/internal/account"}},
	// What the two links to a server do alike until the account is logged in. Nothing but the two may import it.
	{"xmpp/internal/account", []string{"xmpp"}},
	{"xmpp/stream", []string{"xmpp"}},
	{"xmpp/roster", []string{"xmpp"}},
	// XEP-0050 and XEP-0060 carry forms (XEP-0004), and commands are found by disco (XEP-0030), whose
	// answers may hold forms (XEP-0128).
	{"xmpp/adhoc", []string{"xmpp", "xmpp/disco", "xmpp/form"}},
	{"xmpp/pubsub", []string{"xmpp", "xmpp/form"}},
	{"xmpp/disco", []string{"xmpp", "xmpp/form"}},
	{"xmpp/form", []string{"xmpp"}},

	{"hw/display/displaytest", []string{"hw/display"}},
	{"hw/button/buttontest", []string{"hw/button"}},
	{"hw/output/outputtest", []string{"hw/output"}},
	{"hw/display", []string{"hw/internal/..."}},
	{"hw/button", []string{"hw/internal/..."}},
	{"hw/output", []string{"hw/internal/..."}},
	{"hw/internal/gpioline", nil}, // a line of the kernel's GPIO, as a pin of periph
	{"hw/internal/trouble", nil},  // what is wrong with hardware, in the log
	{"hw/internal/spec", nil},

	{"xmpp/internal/peerlink", []string{"xmpp", "internal/testpeer"}},
	{"xmpp/linktest", []string{"xmpp"}},
	{"internal/testpeer", nil},
	{"internal/testpeer/qr", nil}, // a reader of QR codes
	{"internal/fuzztest", nil},    // what fuzz targets ask of every parser
	{"internal/prove", nil},       // how much of a proof the tests play
	{"xmpp", nil},
}
