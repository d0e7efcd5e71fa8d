package testpeer

import "testing"

func TestBouncyCastleAgainstItself(t *testing.T) {
	peer := StartBouncyCastle(t)
	cert := NewCertificate(t)
	server := peer.Server(t, BouncyCastleOptions{User: user, Password: password, Bits: 2048, Cert: cert, Suite: 0xc021})
	opts := BouncyCastleOptions{User: user, Password: password, Suite: 0xc021, Sizes: []int{1, 16385}}
	for range 2 {
		c, s := peer.Client(t, server.Addr, opts), server.Result(t)
		if !c.OK || !s.OK || c.Suite != opts.Suite || c.Version != "TLS 1.2" || !s.EMS || !s.EtM {
			t.Errorf("client %+v, server %+v", c, s)
		}
	}
	opts.Password = "00000000"
	c, s := peer.Client(t, server.Addr, opts), server.Result(t)
	if c.OK || s.OK || c.AlertReceived != 20 || s.AlertSent != 20 {
		t.Errorf("wrong password: client %+v, server %+v, want alert 20", c, s)
	}
}

// The switches do what they say, else the tests that rest on them show nothing.
func TestBouncyCastleSwitches(t *testing.T) {
	peer := StartBouncyCastle(t)
	server := peer.Server(t, BouncyCastleOptions{User: user, Password: password, Bits: 2048})
	for name, opts := range map[string]BouncyCastleOptions{"EMS": {NoEMS: true}, "EtM": {NoEtM: true}} {
		opts.User, opts.Password = user, password
		c := peer.Client(t, server.Addr, opts)
		if !c.OK || c.EMS == opts.NoEMS || c.EtM == opts.NoEtM {
			t.Errorf("without %s: %+v", name, c)
		}
		server.Result(t)
	}
}
