package owner

import (
	"bufio"
	"context"
	"io"

	"xtls-agent/internal/cli"
)

// What xtls-agent does in the same way, by short names.

func terminal(stream any) (fd int, ok bool) { return cli.Terminal(stream) }

func readLine(ctx context.Context, r *bufio.Reader) (string, error) { return cli.ReadLine(ctx, r) }

func readPassword(ctx context.Context, fd int, in io.Reader, out io.Writer, question string) (string, error) {
	return cli.ReadPassword(ctx, fd, in, out, question)
}

func oneLine(s string) string { return cli.OneLine(s) }
