package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// maxLine bounds a line that is typed or piped in.
const maxLine = 4096

// What can come of a question besides an answer.
var (
	ErrInputEnded  = errors.New("the input ended: nothing was typed")
	ErrInterrupted = errors.New("interrupted")
)

// Terminal reports whether a stream is a terminal, and its descriptor.
func Terminal(stream any) (fd int, ok bool) {
	f, isFile := stream.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	return int(f.Fd()), true
}

// typed is what somebody typed.
type typedLine struct {
	text string
	err  error
}

// ReadLine reads a line. A read of a terminal cannot be interrupted: when ctx ends its goroutine
// is left behind, and ends with the process.
func ReadLine(ctx context.Context, r *bufio.Reader) (string, error) {
	done := make(chan typedLine, 1)
	go func() {
		text, err := limitedLine(r)
		done <- typedLine{text, err}
	}()
	return await(ctx, done)
}

func await(ctx context.Context, done <-chan typedLine) (string, error) {
	select {
	case l := <-done:
		return l.text, l.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

func limitedLine(r *bufio.Reader) (string, error) {
	var line []byte
	for {
		c, err := r.ReadByte()
		switch {
		case errors.Is(err, io.EOF) && len(line) == 0:
			return "", ErrInputEnded
		case errors.Is(err, io.EOF), err == nil && c == '\n':
			return strings.TrimSuffix(string(line), "\r"), nil
		case err != nil:
			return "", err
		case len(line) >= maxLine:
			return "", errors.New("the line is too long")
		}
		line = append(line, c)
	}
}

// ReadPassword asks for a line at a terminal, without echo: it is off before the question is there. However it
// ends, the terminal is as it was.
func ReadPassword(ctx context.Context, fd int, in io.Reader, out io.Writer, question string) (string, error) {
	before, err := term.MakeRaw(fd)
	if err != nil {
		return "", err
	}
	defer func() { _ = term.Restore(fd, before) }()
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, out}, "")
	done := make(chan typedLine, 1)
	go func() {
		text, err := t.ReadPassword(question)
		done <- typedLine{text, err}
	}()
	text, err := await(ctx, done)
	if errors.Is(err, io.EOF) { // which is what Ctrl-C is here
		fmt.Fprint(out, "\r\n")
		err = ErrInterrupted
	}
	return text, err
}
