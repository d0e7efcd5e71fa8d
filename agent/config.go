package agent

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"xtls-agent/hw/button"
	"xtls-agent/pairing"
)

// Config is the device's configuration, as /etc/xtls-agent/config.toml has it. Values are
// checked while they are read, so that an error can name the line.
type Config struct {
	Name     Checked[Name]          `toml:"name"`
	Display  []Checked[DisplaySpec] `toml:"display"`
	Button   []Checked[ButtonSpec]  `toml:"button"`
	StateDir string                 `toml:"state_dir"` // default /var/lib/xtls-agent
	RunDir   string                 `toml:"run_dir"`   // default /run/xtls-agent
	XMPP     *XMPPConfig            `toml:"xmpp"`      // nil: LAN only
	LAN      LANConfig              `toml:"lan"`
	Pairing  PairingConfig          `toml:"pairing"`
	Commands []Command              `toml:"command"`
}

// XMPPConfig is the account on a server.
type XMPPConfig struct {
	JID          JID               `toml:"jid"`
	PasswordFile string            `toml:"password_file"`
	Link         Checked[LinkKind] `toml:"link"`
	Server       string            `toml:"server"`  // host:port; else SRV
	CAFile       string            `toml:"ca_file"` // PEM; else the system's roots
	Spread       Duration          `toml:"spread"`  // within which it comes back when its server has gone; default 30s
}

// LANConfig is the serverless link (XEP-0174).
type LANConfig struct {
	Enabled *bool  `toml:"enabled"` // nil: yes
	Listen  string `toml:"listen"`  // default :5298
	MDNS    *bool  `toml:"mdns"`    // nil: yes; announce by multicast DNS
}

// On reports whether the device listens on the LAN.
func (c LANConfig) On() bool { return c.Enabled == nil || *c.Enabled }

// Announce reports whether the device announces itself by multicast DNS.
func (c LANConfig) Announce() bool { return c.MDNS == nil || *c.MDNS }

// PairingConfig is DESIGN's rules of pairing as far as they can be set.
type PairingConfig struct {
	Mode    Checked[PairingMode] `toml:"mode"`
	Window  Duration             `toml:"window"` // 1m to 15m, default 3m
	Allow   []string             `toml:"allow"`
	PINFile string               `toml:"pin_file"` // mode "fixed" only
}

// The defaults of what a configuration may leave out.
const (
	DefaultConfigFile = "/etc/xtls-agent/config.toml"
	DefaultStateDir   = "/var/lib/xtls-agent"
	DefaultRunDir     = "/run/xtls-agent"
	DefaultListen     = ":5298"
)

// maxConfig bounds a configuration file.
const maxConfig = 1 << 20

// LoadConfig reads and checks a configuration file. Errors name the file and, where they
// can, the line; they never quote it, since the lines around may hold passwords.
func LoadConfig(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	c, err := ParseConfig(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// ParseConfig reads a configuration and fills in the defaults.
func ParseConfig(data []byte) (*Config, error) {
	if len(data) > maxConfig {
		return nil, errors.New("larger than 1 MiB")
	}
	c := new(Config)
	if err := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(c); err != nil {
		return nil, positioned(err)
	}
	c.setDefaults()
	return c, c.check()
}

// positioned reduces an error of the TOML library to a line and a reason.
func positioned(err error) error {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) && len(strict.Errors) > 0 {
		first := &strict.Errors[0]
		row, _ := first.Position()
		return fmt.Errorf("line %d: unknown key %.100q", row, strings.Join(first.Key(), "."))
	}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		row, _ := decode.Position()
		return fmt.Errorf("line %d: %s", row, strings.TrimPrefix(decode.Error(), "toml: "))
	}
	return err
}

func (c *Config) setDefaults() {
	setDefault(&c.Name.Word, "xtls-agent")
	setDefault(&c.StateDir, DefaultStateDir)
	setDefault(&c.RunDir, DefaultRunDir)
	setDefault(&c.LAN.Listen, DefaultListen)
	if c.XMPP != nil {
		setDefault(&c.XMPP.Link.Word, LinkC2S)
		setDefault(&c.XMPP.Spread, Duration(30*time.Second))
	}
	setDefault(&c.Pairing.Window, Duration(3*time.Minute))
	setDefault(&c.Pairing.Mode.Word, ModeDisplay)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// check holds the parts against each other; each by itself was checked while it was read.
func (c *Config) check() error {
	switch {
	case c.XMPP != nil && c.XMPP.JID.IsZero():
		return errors.New("[xmpp] needs jid")
	case c.XMPP != nil && c.XMPP.PasswordFile == "":
		return errors.New("[xmpp] needs password_file")
	case c.XMPP != nil && c.XMPP.Spread > Duration(time.Hour):
		return errors.New("xmpp.spread must be at most 1h")
	case c.XMPP == nil && !c.LAN.On():
		return errors.New("neither [xmpp] nor [lan] is on: nobody could reach the device")
	case c.Pairing.Window < Duration(time.Minute) || c.Pairing.Window > Duration(15*time.Minute):
		return errors.New("pairing.window must be from 1m to 15m")
	case c.Pairing.Mode.Word == ModeFixed && c.Pairing.PINFile == "":
		return errors.New(`pairing.mode "fixed" needs pairing.pin_file`)
	case c.Pairing.Mode.Word != ModeFixed && c.Pairing.PINFile != "":
		return errors.New(`pairing.pin_file is for pairing.mode "fixed" only`)
	case c.Pairing.Mode.Word == ModeTyped && !slices.ContainsFunc(texts(c.Button), button.TakesDigits):
		return errors.New(`pairing.mode "typed" needs a button with digits: evdev:?name=…&digits=on, key:?digits=on or socket:PATH?digits=on`)
	}
	if _, err := pairing.ParsePatterns(c.Pairing.Allow); err != nil {
		return err
	}
	return checkCommands(c.Commands)
}

// checkCommands refuses two commands of one name.
func checkCommands(commands []Command) error {
	seen := make(map[string]bool)
	for _, cmd := range commands {
		if err := cmd.check(); err != nil {
			return fmt.Errorf("command %q: %w", cmd.Name, err)
		}
		if seen[cmd.Name] {
			return fmt.Errorf("command %q stands there twice", cmd.Name)
		}
		seen[cmd.Name] = true
	}
	return nil
}

// Socket returns the path of the local socket.
func (c *Config) Socket() string { return filepath.Join(c.RunDir, socketName) }

// CheckFiles checks the files that the configuration names.
func (c *Config) CheckFiles() error {
	if c.XMPP != nil {
		if _, err := c.XMPP.Password(); err != nil {
			return err
		}
		if _, err := c.XMPP.roots(); err != nil {
			return err
		}
	}
	if c.Pairing.Mode.Word == ModeFixed {
		if _, err := c.Pairing.fixedPIN(); err != nil {
			return err
		}
	}
	return nil
}

// roots returns the CA certificates for the server; nil means the system's.
func (c *XMPPConfig) roots() (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("reading ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: holds no PEM certificate (see ca_file)", c.CAFile)
	}
	return pool, nil
}

// maxPassword bounds a password, in bytes.
const maxPassword = 4096

// Password reads the account's password: the file's first line.
func (c *XMPPConfig) Password() (string, error) {
	f, err := os.Open(c.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("reading the account's password: %w (see password_file)", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPassword+1))
	if err != nil {
		return "", fmt.Errorf("reading the account's password: %w", err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	if len(line) > maxPassword { // part of a password would be another one
		return "", fmt.Errorf("%s: its first line must be the account's password, and is longer than %d bytes", c.PasswordFile, maxPassword)
	}
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", fmt.Errorf("%s: its first line must be the account's password, and is empty", c.PasswordFile)
	}
	return line, nil
}
