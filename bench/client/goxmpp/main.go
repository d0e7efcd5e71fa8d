// Command goxmpp is a client on go-xmpp that stays online: it logs in by a token (XEP-0484) once it has one, and reconnects by hand, since
// the library does not. The package above says what it reads and prints.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/google/uuid"
	upstream "github.com/xmppo/go-xmpp"

	"xtls-agent/bench/client/account"
)

func main() {
	var a account.Account
	err := json.NewDecoder(os.Stdin).Decode(&a)
	if err == nil {
		err = stay(a)
	}
	fmt.Fprintln(os.Stderr, "goxmpp:", err)
	os.Exit(1)
}

// stay connects again each time the connection is lost, at once.
func stay(a account.Account) error {
	o, err := options(a)
	if err != nil {
		return err
	}
	for {
		c, err := o.NewClient()
		if err != nil {
			return err
		}
		if c.Fast.Token != "" {
			o.FastToken, o.FastMechanism = c.Fast.Token, c.Fast.Mechanism
		}
		if err := talk(c, a.To); err != nil {
			return err
		}
	}
}

// options are as the library's own program has them, with tokens, and with pings: without those nobody would notice a dead connection.
func options(a account.Account) (upstream.Options, error) {
	pem, err := os.ReadFile(a.CA)
	if err != nil {
		return upstream.Options{}, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return upstream.Options{}, errors.New("no certificate in " + a.CA)
	}
	_, domain, _ := strings.Cut(a.JID, "@")
	return upstream.Options{
		Host: net.JoinHostPort(a.Host, strconv.Itoa(a.Port)), User: a.JID, Password: a.Password,
		TLSConfig:   &tls.Config{RootCAs: roots, ServerName: domain},
		UserAgentID: uuid.NewString(), Fast: true, PeriodicServerPings: true,
	}, nil
}

// talk asks, says what came of it, and reads until the connection is lost.
func talk(c *upstream.Client, to string) error {
	if to != "" {
		if err := c.PingC2S(c.JID(), to); err != nil {
			return nil
		}
	}
	told := to == ""
	if told {
		fmt.Println(`{}`)
	}
	for {
		stanza, err := c.Recv()
		if err != nil {
			return nil // a Close could block for ever
		}
		if iq, ok := stanza.(upstream.IQ); ok && !told && iq.From == to {
			if iq.Type != "result" {
				return fmt.Errorf("%s answers with %s", to, iq.Type)
			}
			told = true
			fmt.Printf(`{"token": %t}`+"\n", strings.HasPrefix(c.Mechanism, "HT-"))
		}
	}
}
