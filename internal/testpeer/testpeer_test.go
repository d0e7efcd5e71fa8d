package testpeer

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	user     = "owner@home.example"
	password = "12345678"
)

// The peers among themselves, so that what fails against one of them is ours.

func TestLibSSLAgainstItself(t *testing.T) {
	opts := LibSSLOptions{User: user, Password: password, Bits: 2048, Count: 3, Sizes: []int{1, 16385}}
	server, addr := LibSSLServer(t, opts)
	client := LibSSLClient(t, addr, opts)
	for range opts.Count {
		c, s := client.Result(t), server.Result(t)
		if !c.OK || !s.OK || c.Suite != "SRP-AES-256-CBC-SHA" || c.Version != "TLSv1.2" || !s.EMS {
			t.Errorf("client %+v, server %+v", c, s)
		}
		if c.A == "" || c.A != s.A || c.B == "" || c.B != s.B {
			t.Errorf("A and B differ: client %.16s %.16s, server %.16s %.16s", c.A, c.B, s.A, s.B)
		}
	}
}

func TestLibSSLTellsAWrongPassword(t *testing.T) {
	server, addr := LibSSLServer(t, LibSSLOptions{User: user, Password: password, Bits: 2048})
	client := LibSSLClient(t, addr, LibSSLOptions{User: user, Password: "00000000"})
	if c := client.Result(t); c.OK || c.AlertReceived != 20 {
		t.Errorf("client: %+v, want alert 20", c)
	}
	if s := server.Result(t); s.OK || s.AlertSent != 20 {
		t.Errorf("server: %+v, want alert 20", s)
	}
}

func TestGnuTLSAgainstItself(t *testing.T) {
	addr := GnuTLSServ(t, GnuTLSServOptions{Bits: 3072, User: user, Password: password})
	cli := GnuTLSCli(t, addr, GnuTLSCliOptions{User: user, Password: password})
	const said = "hello\n"
	if _, err := io.WriteString(cli.Stdin, said); err != nil {
		t.Fatal(err)
	}
	back := make([]byte, len(said))
	if _, err := io.ReadFull(cli.Stdout(), back); err != nil || string(back) != said {
		t.Errorf("came back: %q, %v", back, err)
	}
}

func TestGnuTLSServListensOnLoopbackOnly(t *testing.T) {
	addr := GnuTLSServ(t, GnuTLSServOptions{Bits: 2048, User: user, Password: password})
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		ip := a.(*net.IPNet).IP
		if ip.IsLoopback() || ip.IsLinkLocalUnicast() {
			continue
		}
		if conn, err := net.DialTimeout("tcp", net.JoinHostPort(ip.String(), portOf(t, addr)), time.Second); err == nil {
			conn.Close()
			t.Errorf("gnutls-serv listens on %s", ip)
		}
	}
}

func TestGnuTLSCliFailsOnAWrongPassword(t *testing.T) {
	addr := GnuTLSServ(t, GnuTLSServOptions{Bits: 2048, User: user, Password: password})
	cli := GnuTLSCli(t, addr, GnuTLSCliOptions{User: user, Password: "00000000"})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if code, err := cli.Wait(ctx); err != nil || code != 1 {
		t.Errorf("exit code %d, %v, want 1", code, err)
	}
}

func TestProcessEndsWithItsTest(t *testing.T) {
	var p *Process
	t.Run("peer", func(t *testing.T) {
		p = Start(t, Spec{Path: "sleep", Args: []string{"1000"}})
		select {
		case <-p.Done():
			t.Error("ended before its test")
		default:
		}
	})
	select {
	case <-p.Done():
	default:
		t.Error("still runs after its test")
	}
}

func TestProcessGetsItsGrace(t *testing.T) {
	var p *Process
	t.Run("peer", func(t *testing.T) {
		p = Start(t, Spec{
			Path:  "sh",
			Args:  []string{"-c", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"},
			Grace: 10 * time.Second,
		})
		if _, err := io.ReadFull(p.Stdout(), make([]byte, 3)); err != nil {
			t.Fatal(err)
		}
	})
	if got := p.Output(); got != "up\nbye\n" {
		t.Errorf("said %q", got)
	}
}
