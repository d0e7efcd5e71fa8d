package owner

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"rsc.io/qr"

	"xtls-agent/internal/cli"
)

func (p *program) identityCommand() *cobra.Command {
	var noCode bool
	c := &cobra.Command{
		Use: "identity", Short: "Show by which JID and fingerprint devices know you",
		Long: `identity shows this client's JID and the fingerprint (SHA-256) of its certificate, as text and as a QR
code. A device lists its owners so: compare them there with xtls-agent owners.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := p.open()
			if err != nil {
				return err
			}
			if p.json {
				return p.printJSON(map[string]string{"jid": c.Self().String(), "fingerprint": c.Fingerprint(), "dir": c.Dir()})
			}
			printf(p.std.Out, "JID          %s\nfingerprint  %s\n", c.Self(), c.Fingerprint())
			if noCode {
				return nil
			}
			return p.printCode(c.Self().String(), c.Fingerprint())
		},
	}
	c.Flags().BoolVar(&noCode, "no-qr", false, "leave out the QR code")
	return c
}

// printCode prints the QR code of an XMPP URI (RFC 5122) with a query type of ours.
func (p *program) printCode(jid, fingerprint string) error {
	code, err := qr.Encode("xmpp:"+percent(jid)+"?xtls-identity;sha-256="+fingerprint, qr.L)
	if err != nil {
		return fmt.Errorf("making the QR code: %w", err)
	}
	_, coloured := cli.Terminal(p.std.Out)
	printf(p.std.Out, "\n%s", blocks(code, coloured))
	return nil
}

// percent encodes what a URI cannot hold; a JID's @ may stand.
func percent(jid string) string {
	var b strings.Builder
	for _, c := range []byte(jid) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~@", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// quiet is the margin of light modules. The standard wants 4 (ISO/IEC 18004 §5.3.8); cameras take 2 on a
// dark terminal.
const quiet = 2

// blocks draws a code with two modules a character, light ones filled, so that it is right on a dark terminal;
// with colours it is right on any.
func blocks(code *qr.Code, coloured bool) string {
	light := func(x, y int) bool { // beyond the margin there is nothing
		return y < code.Size+quiet && !code.Black(x, y)
	}
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		if coloured {
			b.WriteString("\x1b[97;40m")
		}
		for x := -quiet; x < code.Size+quiet; x++ {
			switch top, bottom := light(x, y), light(x, y+1); {
			case top && bottom:
				b.WriteRune('█')
			case top:
				b.WriteRune('▀')
			case bottom:
				b.WriteRune('▄')
			default:
				b.WriteByte(' ')
			}
		}
		if coloured {
			b.WriteString("\x1b[0m")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if p.json {
				return p.printJSON(map[string]string{"version": cli.Version()})
			}
			printf(p.std.Out, "xtlsctl %s\n", cli.Version())
			return nil
		},
	}
}
