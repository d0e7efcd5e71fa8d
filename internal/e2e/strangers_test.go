package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/internal/prove"
	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
	"xtls-agent/xmpp/lan"
)

// What a siege may cost a device (docs/security.md, bounds).
const (
	maxSiegeRSS        = 64 << 20
	maxSiegeGoroutines = 1200
	maxSiegeFiles      = 64
	maxSiegeJournal    = 1 << 20
)

// typingTime is what a person takes to read a PIN and to type it.
const typingTime = 10 * time.Second

// A hundred accounts of the device's own domain guess, stall, hold places and flood, one of another domain does all of it, and a
// visitor on the LAN says that he is the owner. Meanwhile the owner pairs, as a person does, and succeeds within the window that
// his press has opened; the device stays within bounds, and nothing is locked afterwards. It leaves no room for other tests beside it.
func TestStrangers(t *testing.T) {
	w := newWorld(t)
	rnd := prove.Rand(t)
	dns, authority := testpeer.NewDNS(t), testpeer.NewAuthority(t)
	home := testpeer.Prosody(t, testpeer.XMPPOptions{Domain: "home.example", Authority: authority, DNS: dns})
	away := testpeer.Prosody(t, testpeer.XMPPOptions{Domain: "away.example", Authority: authority, DNS: dns})
	b := w.newBox(boxConfig{server: home})
	b.prog = w.plainAgent()
	b.start().online()
	at := b.lan()
	romeo := w.newOwner("romeo").account(home, "c2s")
	files := w.fileCount(b.stateFolder())
	t.Logf("idle: %s", w.sample(b))

	s := newSiege(t, b.jid, rnd)
	ctx, end := context.WithCancel(t.Context())
	defer s.running.Wait()
	defer end()
	crowd, password := home.Crowd(t, 100)
	strangers, foreign := away.Crowd(t, len(manners))
	for i, link := range w.logins(home, crowd, password) {
		s.join(ctx, fromHome, link, i)
	}
	for i, link := range w.logins(away, strangers, foreign) {
		s.join(ctx, fromAway, link, i)
	}
	for i := range 10 { // more than one address may have: some are sent away
		link, err := lan.Dialer{Local: jid.MustParse(romeo.jid)}.Dial(t.Context(), strings.TrimPrefix(at, "lan:"))
		if err == nil {
			s.join(ctx, fromLAN, link, i)
		}
	}
	watching := w.watch(ctx, b)
	w.waitUntil("the first wrong PINs", 90*time.Second, func() bool { return s.came[fromHome].guesses.Load() >= 2 })
	w.waitUntil("an answer to a visitor on the LAN", 90*time.Second, func() bool {
		return s.came[fromLAN].guesses.Load()+s.came[fromLAN].refusals.Load() > 0
	})
	w.waitUntil("the name of somebody from elsewhere on the display", 90*time.Second, func() bool {
		shown := flat(b.screen.all())
		return slices.ContainsFunc(strangers, func(who string) bool { return strings.Contains(shown, who+" tried to pair, but may not.") })
	})

	b.press("press")
	opened := time.Now()
	romeo.pairsSlowly(b)
	took := time.Since(opened)
	t.Logf("the owner has paired after %v, %v of it typing; %s", took.Round(time.Second), typingTime, s)
	if took > 3*time.Minute {
		t.Error("that is longer than a window lasts")
	}
	romeo.ctl("call", b.jid, "lamp", "state=on").want(0, "the lamp is on") // the siege goes on
	end()
	s.running.Wait()
	peak := watching()
	t.Logf("at its worst: %s", peak)
	peak.check(t)
	s.check(t)
	if n := w.fileCount(b.stateFolder()); n > files+4 { // owners and news, two copies each
		t.Errorf("%d files in the state folder, before there were %d", n, files)
	}
	b.local("owners").want(0, romeo.jid)
	w.waitUntil("the device to be as before", 2*time.Minute, func() bool { return w.sample(b).goroutines < 60 })
	b.press("press") // nothing is locked
	b.pin()
}

// pairsSlowly pairs over the server as a person does: the program asks, the person looks at the display and types.
func (p *person) pairsSlowly(b *box) {
	p.w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, ctlProgram, "pair", b.jid, "--pin-stdin")
	cmd.Env, cmd.Dir = environment(p.w, []string{"XTLSCTL_DIR=" + p.dir}), p.w.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdin, keyboard := io.Pipe()
	out := p.w.newLog("xtlsctl pair")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, out, out
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		p.w.Fatal(err)
	}
	defer keyboard.Close()
	p.w.waitUntil("the device to answer", time.Minute, func() bool { return strings.Contains(out.String(), "the device answers") })
	pin := b.pin()
	time.Sleep(typingTime)
	_, _ = io.WriteString(keyboard, pin+"\n") // if it has ended meanwhile, the exit code says so
	_ = keyboard.Close()
	if err := cmd.Wait(); err != nil {
		p.w.Fatalf("the owner could not pair: %v\n%s", err, out)
	}
}

// logins logs accounts in, some at a time.
func (w *world) logins(s *testpeer.XMPPServer, accounts []string, password string) []xmpp.Link {
	w.Helper()
	links, errs := make([]xmpp.Link, len(accounts)), make([]error, len(accounts))
	var all sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i, account := range accounts {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			links[i], errs[i] = c2s.Dial(context.Background(), c2s.Config{
				JID: jid.MustParse(account), Password: func() (string, error) { return password, nil }, Server: s.Addr, Roots: s.Roots,
			})
		})
	}
	all.Wait()
	for i, err := range errs {
		if err != nil {
			w.Fatalf("%s: %v", accounts[i], err)
		}
	}
	return links
}

// plainAgent builds xtls-agent as people have it: the race detector needs a multiple of the memory.
func (w *world) plainAgent() string {
	w.Helper()
	path := filepath.Join(w.dir, "plain-agent")
	if out, err := exec.Command("go", "build", "-o", path, "xtls-agent/cmd/xtls-agent").CombinedOutput(); err != nil {
		w.Fatalf("%v\n%s", err, out)
	}
	return path
}

func (w *world) fileCount(dir string) int {
	w.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		w.Fatal(err)
	}
	return len(entries)
}

// load is what a device takes of its machine.
type load struct{ rss, goroutines, files, journal int }

func (l load) String() string {
	return fmt.Sprintf("%.1f MB resident, %d goroutines, %d open files, %d kB of journal", float64(l.rss)/1e6, l.goroutines, l.files, l.journal/1000)
}

func (l load) max(o load) load {
	return load{max(l.rss, o.rss), max(l.goroutines, o.goroutines), max(l.files, o.files), max(l.journal, o.journal)}
}

func (l load) check(t *testing.T) {
	t.Helper()
	if l.rss > maxSiegeRSS || l.goroutines > maxSiegeGoroutines || l.files > maxSiegeFiles || l.journal > maxSiegeJournal {
		t.Errorf("more than %s", load{maxSiegeRSS, maxSiegeGoroutines, maxSiegeFiles, maxSiegeJournal})
	}
	if l.rss == 0 || l.goroutines == 0 || l.files == 0 || l.journal == 0 {
		t.Errorf("nothing was measured: %s", l)
	}
}

// watch measures a device until ctx ends. The returned function waits for that and tells the worst.
func (w *world) watch(ctx context.Context, b *box) func() load {
	done := make(chan load)
	go func() {
		var worst load
		for ctx.Err() == nil {
			worst = worst.max(w.sample(b))
			pause(ctx, time.Second)
		}
		done <- worst
	}()
	return func() load { return <-done }
}

var goroutines = regexp.MustCompile(`(\d+) goroutines`)

// sample measures once. What cannot be had at the moment is 0.
func (w *world) sample(b *box) load {
	proc := fmt.Sprintf("/proc/%d/", b.process.Process.Pid)
	l := load{journal: len(b.log.String())}
	if entries, err := os.ReadDir(proc + "fd"); err == nil {
		l.files = len(entries)
	}
	if text, err := os.ReadFile(proc + "statm"); err == nil {
		var size, pages int
		_, _ = fmt.Fscan(bytes.NewReader(text), &size, &pages)
		l.rss = pages * os.Getpagesize()
	}
	if out, err := exec.Command(agentProgram, "status", "--config", b.path).Output(); err == nil {
		if n := goroutines.FindSubmatch(out); n != nil {
			l.goroutines, _ = strconv.Atoi(string(n[1]))
		}
	}
	return l
}
