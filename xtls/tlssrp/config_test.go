package tlssrp

import (
	"strings"
	"testing"
)

func TestConfigIsChecked(t *testing.T) {
	signed := []uint16{TLS_SRP_SHA_RSA_WITH_AES_128_CBC_SHA}
	for name, tt := range map[string]struct {
		client bool
		change func(*Config)
	}{
		"suite without SRP":                 {true, func(c *Config) { c.CipherSuites = []uint16{0xC014} }},
		"no suites":                         {true, func(c *Config) { c.CipherSuites = []uint16{} }},
		"no groups":                         {true, func(c *Config) { c.Groups = []*Group{} }},
		"nil group":                         {true, func(c *Config) { c.Groups = []*Group{nil} }},
		"no user name":                      {true, func(c *Config) { c.Username = "" }},
		"long user name":                    {true, func(c *Config) { c.Username = strings.Repeat("x", 256) }},
		"NUL in user name":                  {true, func(c *Config) { c.Username = "a\x00b" }},
		"no password":                       {true, func(c *Config) { c.Password = "" }},
		"_RSA without a name to check":      {true, func(c *Config) { c.CipherSuites = signed }},
		"server: suite without SRP":         {false, func(c *Config) { c.CipherSuites = []uint16{0x002F} }},
		"server: no GetVerifier":            {false, func(c *Config) { c.GetVerifier = nil }},
		"server: only _RSA, no certificate": {false, func(c *Config) { c.CipherSuites = signed }},
	} {
		config := clientConfig()
		if !tt.client {
			config = serverConfig(testVerifier(t, smallGroup()))
		}
		if err := config.check(tt.client); err != nil {
			t.Fatalf("%s: unchanged: %v", name, err)
		}
		tt.change(config)
		if err := config.check(tt.client); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if err := (*Config)(nil).check(true); err == nil {
		t.Error("no Config was accepted")
	}
}
