package testpeer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// CurlTLSFailed is curl's exit code for a TLS handshake that failed.
const CurlTLSFailed = 35

// CurlOptions says how curl connects.
type CurlOptions struct {
	User     string
	Password string
	Ciphers  string // OpenSSL's cipher string; curl's choice for SRP if empty
	TLS13    bool   // offer TLS 1.3 too, as curl does unless told not to
	NoEMS    bool   // switch off Extended Master Secret
	NoEtM    bool   // switch off Encrypt-then-MAC

	Post []string // files to post, one request after another over one connection; none is a GET
}

// Curl connects curl to the HTTPS server at addr; it prints the body of each answer. It exits with CurlTLSFailed if
// the handshake fails.
func Curl(t testing.TB, addr string, opts CurlOptions) *Process {
	t.Helper()
	spec := Spec{Path: "curl", Env: []string{"NO_PROXY=*"}}
	if conf := opensslConf(opts); conf != "" {
		path := filepath.Join(t.TempDir(), "openssl.cnf")
		if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
			t.Fatalf("testpeer: %v", err)
		}
		spec.Env = append(spec.Env, "OPENSSL_CONF="+path)
	}
	for i := range max(1, len(opts.Post)) {
		if i > 0 {
			spec.Args = append(spec.Args, "--next")
		}
		spec.Args = append(spec.Args, "-sSk", "--http1.1", "--max-time", "30", "https://"+addr+"/",
			"--tlsuser", opts.User, "--tlspassword", opts.Password, "--tlsauthtype", "SRP")
		if !opts.TLS13 {
			spec.Args = append(spec.Args, "--tls-max", "1.2")
		}
		if opts.Ciphers != "" {
			spec.Args = append(spec.Args, "--ciphers", opts.Ciphers)
		}
		if i < len(opts.Post) {
			spec.Args = append(spec.Args, "-H", "Expect:", "--data-binary", "@"+opts.Post[i])
		}
	}
	return Start(t, spec)
}

// opensslConf is what makes curl's libssl leave extensions out, for which curl has no option. Empty if none.
func opensslConf(opts CurlOptions) string {
	var off []string
	if opts.NoEMS {
		off = append(off, "-ExtendedMasterSecret")
	}
	if opts.NoEtM {
		off = append(off, "-EncryptThenMac")
	}
	if len(off) == 0 {
		return ""
	}
	return "openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = defaults\n[defaults]\nOptions = " +
		strings.Join(off, ",") + "\n"
}
