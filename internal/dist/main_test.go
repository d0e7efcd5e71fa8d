package dist

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// source is the module's folder, from here.
const source = "../.."

// version is that of the packages under test; epoch is their time.
const version, epoch = "1.2.3~test", "1700000000"

// built is the folder that TestMain has had filled.
var built string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if built, err = os.MkdirTemp("", "xtls-dist-"); err == nil {
			defer os.RemoveAll(built)
			err = dist(source, built)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// dist has the sources in a folder built.
func dist(source, to string) error {
	cmd := exec.Command(filepath.Join(source, "build", "arm", "dist.sh"))
	cmd.Env = append(os.Environ(), "DIST="+to, "VERSION="+version, "SOURCE_DATE_EPOCH="+epoch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("dist: %w\n%s", err, out)
	}
	return nil
}

// deb is the package for an architecture of Debian's.
func deb(architecture string) string {
	return filepath.Join(built, "xtls-agent_"+version+"_"+architecture+".deb")
}

// output runs a program that must end well.
func output(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}
