package owner

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"xtls-agent/internal/testpeer"
)

// TestOverAServer runs scripts over a Prosody, by each of the links.
func TestOverAServer(t *testing.T) {
	s := testpeer.Prosody(t, testpeer.XMPPOptions{})
	for _, link := range []string{"go-xmpp", "c2s"} {
		t.Run(link, func(t *testing.T) {
			t.Parallel()
			romeo, password := s.Account(t, "romeo-"+link)
			device, itsPassword := s.Account(t, "box-"+link)
			given, givenPassword := s.Account(t, "given-"+link) // scripts run side by side: no two devices are one account
			p := params(filepath.Join("testdata", "server"))
			setup := p.Setup
			p.Setup = func(env *testscript.Env) error {
				for name, value := range map[string]string{
					"LINK": link, "SERVER": s.Addr, "CA": s.CAFile, "ROMEO": romeo, "BOX": device, "GIVEN": given,
				} {
					env.Setenv(name, value)
				}
				for name, text := range map[string]string{"password": password, "box.password": itsPassword, "given.password": givenPassword} {
					if err := os.WriteFile(filepath.Join(env.WorkDir, name), []byte(text+"\n"), 0o600); err != nil {
						return err
					}
				}
				return setup(env)
			}
			testscript.Run(t, p)
		})
	}
}
