package linktest_test

import (
	"testing"

	"go.uber.org/goleak"

	"xtls-agent/xmpp/linktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPipe(t *testing.T) {
	linktest.Run(t, func(*testing.T) linktest.Ends {
		a, b := linktest.Pipe("a@x", "b@y")
		return linktest.Ends{A: a, B: b}
	}, linktest.Caps{NoCut: true})
}

func TestRouter(t *testing.T) {
	linktest.Run(t, func(*testing.T) linktest.Ends {
		r := linktest.NewRouter()
		return linktest.Ends{A: r.Connect("a@x/1"), B: r.Connect("b@x/2")}
	}, linktest.Caps{Server: true, NoEnd: true, NoCut: true})
}
