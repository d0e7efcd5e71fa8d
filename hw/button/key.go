package button

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"

	"xtls-agent/hw/internal/spec"
)

// key is the Enter key of a terminal.
type key struct {
	*source
	digits *typist // nil if no PIN can be typed
	in     io.ReadCloser
	log    *slog.Logger
	wg     sync.WaitGroup
	once   sync.Once
	err    error // of Close
}

func parseKey(s *spec.Spec) func(Env) (Button, error) {
	s.NoPath()
	digits := parseDigits(s)
	return func(env Env) (Button, error) {
		open := env.Keys
		if open == nil {
			open = openTerminal
		}
		in, err := open()
		if err != nil {
			return nil, err
		}
		k := &key{source: newSource(), digits: digits(), in: in, log: env.log()}
		k.wg.Go(k.read)
		return withDigits(k, k.digits), nil
	}
}

// openTerminal opens the controlling terminal, not standard input: a Read of a
// file that we opened ends when we close it.
func openTerminal() (io.ReadCloser, error) {
	f, err := os.OpenFile("/dev/tty", os.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("this process has no terminal to read Enter from: use socket:PATH: %w", err)
	}
	return f, nil
}

// read takes lines until the terminal ends or Close closes it. A line that is too
// long is left out like any other that is no word of ours: on a
// terminal, whoever leans on the keyboard has not pressed the button.
func (k *key) read() {
	r := bufio.NewReaderSize(k.in, maxLine)
	for {
		text, long, err := r.ReadLine()
		for long && err == nil {
			text = []byte("?")
			_, long, err = r.ReadLine()
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, fs.ErrClosed) && !errors.Is(err, io.ErrClosedPipe) {
				k.log.Warn("the terminal can no longer be read; its Enter key is no button any more", "err", err)
			}
			return
		}
		k.entered(string(text))
	}
}

// entered takes a line. While a PIN is typed Enter is its OK, and ends the digits before it.
func (k *key) entered(text string) {
	keys, digits := typedDigits(text)
	if (digits || text == "") && k.digits.take(append(keys, OK)...) {
		return
	}
	if text == "" {
		k.put(Press)
	} else if e, err := line(text); err == nil {
		k.put(e)
	}
}

// Close implements Button.
func (k *key) Close() error {
	k.once.Do(func() {
		if err := k.in.Close(); err != nil {
			k.err = fmt.Errorf("button: closing the terminal: %w", err)
		}
		k.wg.Wait()
		k.end()
	})
	return k.err
}
