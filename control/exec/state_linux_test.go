package exec

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"xtls-agent/control"
)

// ask compiles a command whose state a shell script tells, and asks once.
func ask(t *testing.T, within time.Duration, script string, change ...func(*Definition)) (string, error) {
	t.Helper()
	braces := strings.NewReplacer("{", "{{", "}", "}}")
	d := Definition{Name: "lamp", Args: []string{"/bin/true"}, State: []string{"/bin/sh", "-c", braces.Replace(script)}}
	for _, c := range change {
		c(&d)
	}
	c, err := NewRunner(nil).Command(d)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	state, err := c.State.Read(ctx)
	return state.Word, err
}

// A state is the last line that a program prints.
func TestStateOfAProgram(t *testing.T) {
	for script, want := range map[string]string{
		"echo on":                                "on",
		"echo; echo ' off '; echo; echo":         "off",
		"echo noise >&2; echo '21.5 °C'; echo":   "21.5 °C",
		"printf 'a\\r\\nb\\r\\n'":                "b",
		"yes x | head -c 1000000; echo; echo on": "on",
		`echo "$PATH|$LANG|$HOME|$SECRET|$A"`:    defaultPath + "|C.UTF-8|||b",
		"pwd":                                    "/usr",
		"ls /proc/self/fd | tr '\\n' ' '":        "0 1 2 3", // 3 is the folder that ls reads
		"cat":                                    "",        // stdin is /dev/null
	} {
		t.Setenv("SECRET", "hunter2")
		got, err := ask(t, time.Minute, script, func(d *Definition) { d.Dir, d.Env = "/usr", map[string]string{"A": "b"} })
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v, want %q", script, got, err, want)
		}
	}
}

// A program that tells a state runs as whom the command runs as.
func TestStateAsAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root can play another user")
		return
	}
	got, err := ask(t, time.Minute, "id -un; echo $(id -Gn) $USER", func(d *Definition) { d.User = "nobody" })
	if got != "nogroup nobody" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// What keeps a state from being known is one line that says what to look at.
func TestStateOfAProgramThatFails(t *testing.T) {
	for script, want := range map[string]string{
		"echo on; exit 3":                    "/bin/sh ended with exit status 3",
		"echo on; echo no lamp >&2; exit 3":  "/bin/sh ended with exit status 3: no lamp",
		"kill -9 $$":                         "/bin/sh ended with signal: killed",
		"true":                               "/bin/sh printed nothing",
		"head -c 300 /dev/zero | tr '\\0' x": "/bin/sh printed a last line of more than 200 bytes",
	} {
		if got, err := ask(t, time.Minute, script); got != "" || err == nil || err.Error() != want {
			t.Errorf("%s: %q, %v, want %q", script, got, err, want)
		}
	}
	if _, err := ask(t, time.Minute, "", func(d *Definition) { d.State = []string{"/no/such"} }); err == nil ||
		err.Error() != "/no/such cannot be run: no such file or directory" {
		t.Errorf("%v", err)
	}
}

// A program that does not end is ended, and all that it has started.
func TestStateOfAProgramThatHangs(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	start := time.Now()
	_, err := ask(t, 300*time.Millisecond, "(sleep 2; touch "+mark+") & sleep 60")
	if err == nil || err.Error() != "/bin/sh did not finish in time" || time.Since(start) > 30*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
	time.Sleep(2500*time.Millisecond - min(2*time.Second, time.Since(start)))
	if _, err := os.Stat(mark); err == nil {
		t.Error("a child of it went on")
	}
}

// Programs that tell states wait for each other, and keep no owner from running a command.
func TestStatesHaveSlotsOfTheirOwn(t *testing.T) {
	r := NewRunner(nil)
	slow, err := r.Command(Definition{Name: "slow", Args: []string{"/bin/true"}, State: []string{"/bin/sh", "-c", "sleep 0.3; echo on"}})
	if err != nil {
		t.Fatal(err)
	}
	results, start := make(chan error), time.Now()
	for range 2 * maxAtOnce {
		go func() { _, err := slow.State.Read(t.Context()); results <- err }()
	}
	if res, err := slow.Run(t.Context(), control.Call{}); err != nil || res.Failure != "" {
		t.Errorf("%+v, %v", res, err)
	}
	for range 2 * maxAtOnce {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(start); took < 600*time.Millisecond {
		t.Errorf("%d ran within %v: more than %d at once", 2*maxAtOnce, took, maxAtOnce)
	}
}

// However much a program writes, and in whatever pieces, the end of it is kept, and no more.
func TestTailIsBounded(t *testing.T) {
	for _, piece := range []int{1, 100, maxTail - 1, maxTail, maxTail + 1, 10 * maxTail} {
		var all strings.Builder
		var kept tail
		for i := range 5*maxTail/piece + 2 {
			text := strings.Repeat(string(rune('a'+i%26)), piece)
			all.WriteString(text)
			if n, err := kept.Write([]byte(text)); n != piece || err != nil || len(kept.data) > maxTail {
				t.Fatalf("%d bytes: %d, %v, %d kept", piece, n, err, len(kept.data))
			}
		}
		if text := all.String(); string(kept.data) != text[len(text)-maxTail:] {
			t.Errorf("in pieces of %d bytes the end is not kept", piece)
		}
	}
}

func TestStateIsRefused(t *testing.T) {
	for want, state := range map[string][]string{
		"state must begin with the absolute path":      {},
		"state must begin with":                        {"lamp"},
		`state: argument "{state}": there is no field`: {"/bin/lamp", "{state}"},
		"state: the program":                           {"/bin/{x}"},
	} {
		_, err := NewRunner(nil).Command(Definition{Name: "lamp", Args: []string{"/bin/true"}, State: state})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", state, err, want)
		}
	}
}
