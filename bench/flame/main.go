// Command flame draws where time goes: flame graphs of a handshake and of the record layer, as SVG.
//
// It runs the programs of two rows with Go's profiler on, and writes docs/flame-handshake.svg and docs/flame-record.svg.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/google/pprof/profile"

	"xtls-agent/bench/cputime"
)

// A graph is one of those that are drawn.
type graph struct {
	file, title string
	program     []string
	from        []string // where the stacks that are drawn begin
}

var graphs = []graph{
	{
		"flame-handshake.svg", "TLS-SRP handshake, client and server, AES-256, 3072 bits",
		[]string{"xtls-agent/bench/tls/handshake", "3072", "600", "48151623"}, []string{"main.(*pair).handshake", "main.serve"},
	},
	{
		"flame-record.svg", "records of 16 KiB, both directions, AES-128-CBC with HMAC-SHA-1",
		[]string{"xtls-agent/bench/tls/record", "ours", "4096"}, []string{"main.(*mover).move"},
	},
}

func main() {
	docs := flag.String("docs", "../docs", "the folder to write to")
	flag.Parse()
	for _, g := range graphs {
		if err := g.draw(*docs); err != nil {
			fmt.Fprintln(os.Stderr, "flame:", err)
			os.Exit(1)
		}
	}
}

func (g graph) draw(docs string) error {
	p, err := profileOf(g.program)
	if err != nil {
		return err
	}
	root := fold(p, g.from...)
	if root.value == 0 {
		return errors.New("the profile is empty")
	}
	return os.WriteFile(filepath.Join(docs, g.file), render(root, g.title), 0o644)
}

// profileOf runs a program of the bench and returns its profile.
func profileOf(program []string) (*profile.Profile, error) {
	dir, err := os.MkdirTemp("", "flame-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "cpu.pprof")
	c := exec.Command("go", append([]string{"run"}, program...)...)
	// Without preemption: on a busy machine it is all over the picture.
	c.Env = append(os.Environ(), cputime.ProfileVariable+"="+path, "GODEBUG=asyncpreemptoff=1")
	c.Stderr = os.Stderr
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("%v: %w", program, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return profile.Parse(f)
}
