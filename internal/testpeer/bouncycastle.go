package testpeer

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

//go:embed bouncycastle/SrpPeer.java
var bouncyCastleSource string

// bouncyCastlePath is where Debian puts BouncyCastle's libraries.
const bouncyCastlePath = "/usr/share/java/bctls.jar:/usr/share/java/bcprov.jar:/usr/share/java/bcutil.jar"

// bouncyCastlePatience is what an answer may take: a handshake and a few MiB, on a loaded machine.
const bouncyCastlePatience = 60 * time.Second

// BouncyCastleOptions says what a BouncyCastle client or server does. The zero value of a field is the peer's default.
type BouncyCastleOptions struct {
	User     string
	Password string
	Suite    uint16 // TLS_SRP_SHA_WITH_AES_256_CBC_SHA if zero
	Bits     int    // of the group of RFC 5054 that a server offers, 3072 if zero; a client accepts all seven
	N, G     string // instead of Bits a group of the test's own, hexadecimal; a client accepts that one alone
	Cert     *Certificate
	Others   bool  // offer TLS 1.3, and a suite without SRP, and prefer them
	NoEMS    bool  // switch off Extended Master Secret
	NoEtM    bool  // switch off Encrypt-then-MAC
	Sizes    []int // what a client sends, and wants back, before it closes; a server echoes whatever comes
}

// BouncyCastleResult is how one handshake of the peer went, and the data after it.
type BouncyCastleResult struct {
	OK            bool   `json:"ok"`
	Failed        string `json:"failed"` // the step that failed: "handshake", "data", "close"; "setup" is a fault of the test
	Reason        string `json:"reason"` // BouncyCastle's words
	Version       string `json:"version"`
	Suite         uint16 `json:"suite"`
	EMS           bool   `json:"ems"`
	EtM           bool   `json:"etm"`
	AlertSent     int    `json:"alert_sent"`     // fatal ones; 0: none
	AlertReceived int    `json:"alert_received"` // fatal ones; 0: none
}

// BouncyCastle is a Java virtual machine with a TLS-SRP peer on BouncyCastle. It takes half a second to start, so one
// serves as many handshakes as a test likes, also at the same time.
type BouncyCastle struct {
	process *Process

	mu      sync.Mutex // guards what follows
	lastID  int
	answers map[int]chan bouncyCastleAnswer // by the id of the order
}

// A bouncyCastleAnswer is one line of the peer: a server's port, or how a handshake went.
type bouncyCastleAnswer struct {
	ID   int `json:"id"`
	Port int `json:"port"`
	BouncyCastleResult
}

// StartBouncyCastle starts the virtual machine, which ends with the test.
func StartBouncyCastle(t testing.TB) *BouncyCastle {
	t.Helper()
	classes := compileBouncyCastle(t)
	b := &BouncyCastle{answers: make(map[int]chan bouncyCastleAnswer)}
	var reading sync.WaitGroup
	t.Cleanup(reading.Wait) // after the process has ended, which is cleaned up before
	b.process = Start(t, Spec{Path: "java", Args: []string{
		"-XX:+UseSerialGC", "-Xmx256m", "-cp", classes + ":" + bouncyCastlePath, "SrpPeer",
	}})
	reading.Go(b.read)
	return b
}

// compileBouncyCastle compiles the peer, once for each version of its source, and returns the folder of its classes.
func compileBouncyCastle(t testing.TB) string {
	t.Helper()
	sum := sha256.Sum256([]byte(bouncyCastleSource))
	cache := cacheDir(t)
	classes := filepath.Join(cache, fmt.Sprintf("bouncycastle-%x", sum[:8]))
	if _, err := os.Stat(classes); err == nil {
		return classes
	}
	for jar := range strings.SplitSeq(bouncyCastlePath, ":") {
		if _, err := os.Stat(jar); err != nil {
			t.Fatalf("testpeer: BouncyCastle is not installed: %v: run `make peers`", err)
		}
	}
	work, err := os.MkdirTemp(cache, "bouncycastle-build-")
	if err != nil {
		t.Fatalf("testpeer: compiling the BouncyCastle peer: %v", err)
	}
	defer os.RemoveAll(work)
	source, built := filepath.Join(work, "SrpPeer.java"), filepath.Join(work, "classes")
	if err := os.WriteFile(source, []byte(bouncyCastleSource), 0o600); err != nil {
		t.Fatalf("testpeer: compiling the BouncyCastle peer: %v", err)
	}
	javac := exec.Command(lookPath(t, "javac"), "-Xlint:all,-path", "-Werror", "-cp", bouncyCastlePath, "-d", built, source)
	if out, err := javac.CombinedOutput(); err != nil {
		t.Fatalf("testpeer: compiling the BouncyCastle peer: %v\n%s", err, out)
	}
	// Another test binary may have been quicker: a folder that is there already is as good.
	if err := os.Rename(built, classes); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatalf("testpeer: compiling the BouncyCastle peer: %v", err)
	}
	return classes
}

// read hands each line of the peer to who waits for it, until the peer ends. What is no answer (a warning of the virtual
// machine) stays in its output, which a test that fails logs.
func (b *BouncyCastle) read() {
	lines := bufio.NewScanner(b.process.Stdout())
	for lines.Scan() {
		var answer bouncyCastleAnswer
		if err := json.Unmarshal(lines.Bytes(), &answer); err != nil {
			continue
		}
		b.mu.Lock()
		waiting := b.answers[answer.ID]
		b.mu.Unlock()
		select {
		case waiting <- answer:
		default: // nobody asks for so many
		}
	}
}

// order tells the peer to be a client or a server, and returns where its answers come.
func (b *BouncyCastle) order(t testing.TB, role string, opts BouncyCastleOptions, port string) <-chan bouncyCastleAnswer {
	t.Helper()
	const unread = 64 // handshakes of a server that no test has asked about
	answers := make(chan bouncyCastleAnswer, unread)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lastID++
	b.answers[b.lastID] = answers
	form := opts.form()
	form.Set("id", strconv.Itoa(b.lastID))
	form.Set("role", role)
	if port != "" {
		form.Set("port", port)
	}
	if _, err := fmt.Fprintln(b.process.Stdin, form.Encode()); err != nil {
		t.Fatalf("testpeer: the BouncyCastle peer ended: %v: %s", err, b.process.Output())
	}
	return answers
}

func (o BouncyCastleOptions) form() url.Values {
	form := url.Values{"user": {o.User}, "password": {o.Password}}
	if o.Suite != 0 {
		form.Set("suite", strconv.FormatUint(uint64(o.Suite), 16))
	}
	if o.Bits != 0 {
		form.Set("group", strconv.Itoa(o.Bits))
	}
	if o.N != "" {
		form.Set("N", o.N)
		form.Set("g", o.G)
	}
	if o.Cert != nil {
		form.Set("cert", o.Cert.CertFile)
		form.Set("key", o.Cert.KeyFile)
	}
	for name, set := range map[string]bool{"others": o.Others, "noems": o.NoEMS, "noetm": o.NoEtM} {
		if set {
			form.Set(name, "")
		}
	}
	sizes := make([]string, len(o.Sizes))
	for i, size := range o.Sizes {
		sizes[i] = strconv.Itoa(size)
	}
	form.Set("sizes", strings.Join(sizes, ","))
	return form
}

// wait returns the next answer.
func (b *BouncyCastle) wait(t testing.TB, answers <-chan bouncyCastleAnswer) bouncyCastleAnswer {
	t.Helper()
	select {
	case answer := <-answers:
		if answer.Failed == "setup" {
			t.Fatalf("testpeer: the BouncyCastle peer: %s", answer.Reason)
		}
		return answer
	case <-b.process.Done():
		t.Fatalf("testpeer: the BouncyCastle peer ended: %s", b.process.Output())
	case <-time.After(bouncyCastlePatience):
		t.Fatalf("testpeer: the BouncyCastle peer does not answer: %s", b.process.Output())
	}
	return bouncyCastleAnswer{}
}

// Client lets the peer connect to addr, and returns how that went when it is over.
func (b *BouncyCastle) Client(t testing.TB, addr string, opts BouncyCastleOptions) BouncyCastleResult {
	t.Helper()
	return b.wait(t, b.order(t, "client", opts, portOf(t, addr))).BouncyCastleResult
}

// BouncyCastleServer is a server of the peer. It serves one connection after another, and echoes.
type BouncyCastleServer struct {
	Addr    string
	peer    *BouncyCastle
	answers <-chan bouncyCastleAnswer
}

// Server lets the peer listen, as long as the virtual machine runs.
func (b *BouncyCastle) Server(t testing.TB, opts BouncyCastleOptions) *BouncyCastleServer {
	t.Helper()
	answers := b.order(t, "server", opts, "")
	return &BouncyCastleServer{loopbackAddr(b.wait(t, answers).Port), b, answers}
}

// Result waits for the next handshake to end and returns how it went.
func (s *BouncyCastleServer) Result(t testing.TB) BouncyCastleResult {
	t.Helper()
	return s.peer.wait(t, s.answers).BouncyCastleResult
}
