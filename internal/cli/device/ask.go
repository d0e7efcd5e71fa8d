package device

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"xtls-agent/internal/cli"
)

// asker asks the person at the device. Answers may also come from a script: then they are printed, so that what was said can be read.
type asker struct {
	std  cli.Streams
	out  io.Writer // where questions go
	in   *bufio.Reader
	line chan answer // of a read that is under way; nil if there is none
}

type answer struct {
	text string
	err  error
}

func newAsker(std cli.Streams, out io.Writer) *asker {
	return &asker{std: std, out: out, in: bufio.NewReader(std.In)}
}

func (a *asker) printf(format string, args ...any) { fmt.Fprintf(a.out, format, args...) }

// atTerminal reports whether somebody types the answers.
func (a *asker) atTerminal() bool {
	_, ok := cli.Terminal(a.std.In)
	return ok
}

// typed is the next line that is typed. A read of a terminal cannot be interrupted: one that nobody waits for any more gets the
// next answer, or ends with the process.
func (a *asker) typed() <-chan answer {
	if a.line == nil {
		a.line = make(chan answer, 1)
		go func(line chan<- answer) {
			text, err := cli.ReadLine(context.Background(), a.in)
			line <- answer{text, err}
		}(a.line)
	}
	return a.line
}

// ask returns what is typed after a question, without spaces around it.
func (a *asker) ask(ctx context.Context, question string) (string, error) {
	a.printf("%s ", question)
	select {
	case got := <-a.typed():
		a.line = nil
		if got.err == nil && !a.atTerminal() {
			a.printf("%s\n", got.text)
		}
		return strings.TrimSpace(got.text), got.err
	case <-ctx.Done():
		return "", cli.ErrInterrupted
	}
}

// secret asks for what must not be seen.
func (a *asker) secret(ctx context.Context, question string) (string, error) {
	fd, ok := cli.Terminal(a.std.In)
	if ok && a.line == nil && a.in.Buffered() == 0 {
		return cli.ReadPassword(ctx, fd, a.std.In, a.out, question+" ")
	}
	a.printf("%s ", question)
	select {
	case got := <-a.typed():
		a.line = nil
		a.printf("\n")
		return got.text, got.err
	case <-ctx.Done():
		return "", cli.ErrInterrupted
	}
}

// yes asks until the answer is yes or no; an empty one is what def says.
func (a *asker) yes(ctx context.Context, question string, def bool) (bool, error) {
	hint := " [y/N]"
	if def {
		hint = " [Y/n]"
	}
	for {
		text, err := a.ask(ctx, question+hint)
		if err != nil {
			return false, err
		}
		switch strings.ToLower(text) {
		case "":
			return def, nil
		case "y", "yes":
			return true, nil
		case "n", "no":
			return false, nil
		}
		a.printf("Type y or n.\n")
	}
}

// choose lists what there is and asks for a number; an empty answer is the first.
func (a *asker) choose(ctx context.Context, question string, list []string) (int, error) {
	for i, text := range list {
		a.printf("  %d) %s\n", i+1, text)
	}
	for {
		text, err := a.ask(ctx, question+" [1]")
		if err != nil {
			return 0, err
		}
		if text == "" {
			return 0, nil
		}
		if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(list) {
			return n - 1, nil
		}
		a.printf("Type a number from 1 to %d.\n", len(list))
	}
}

// unfinished says that a conversation broke off, and what that means.
func unfinished(err error, means string) error {
	switch {
	case errors.Is(err, cli.ErrInputEnded):
		return fmt.Errorf("the input ended: %s", means)
	case errors.Is(err, cli.ErrInterrupted), errors.Is(err, context.Canceled):
		return fmt.Errorf("interrupted: %s", means)
	}
	return err
}
