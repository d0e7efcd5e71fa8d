package homekit

import (
	"bufio"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxFrame is how much plain text a frame holds (HAP §6.5.2).
const maxFrame = 1024

// counter is the nonce of one direction: how many frames there were.
type counter uint64

func (n *counter) next() []byte {
	nonce := nonceOf(binary.LittleEndian.AppendUint64(nil, uint64(*n)))
	*n++
	return nonce
}

// frameWriter encrypts. A frame is its length in two bytes, which are authenticated, the cipher text and the tag.
type frameWriter struct {
	out   io.Writer
	key   cipher.AEAD
	count counter
}

// Write sends all frames of p in one write.
func (w *frameWriter) Write(p []byte) (int, error) {
	var frames []byte
	for rest := p; len(rest) > 0; {
		n := min(len(rest), maxFrame)
		length := binary.LittleEndian.AppendUint16(nil, uint16(n))
		frames = w.key.Seal(append(frames, length...), w.count.next(), rest[:n], length)
		rest = rest[n:]
	}
	if _, err := w.out.Write(frames); err != nil {
		return 0, err
	}
	return len(p), nil
}

// frameReader decrypts.
type frameReader struct {
	in    *bufio.Reader
	key   cipher.AEAD
	count counter
	plain []byte // what has not been read yet
}

func newFrameReader(in io.Reader, key cipher.AEAD) *frameReader {
	return &frameReader{in: bufio.NewReader(in), key: key}
}

var errFrame = errors.New("homekit: broken frame")

// Read returns what is left of a frame.
func (r *frameReader) Read(p []byte) (int, error) {
	for len(r.plain) == 0 {
		if err := r.frame(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.plain)
	r.plain = r.plain[n:]
	return n, nil
}

func (r *frameReader) frame() error {
	length := make([]byte, 2)
	if _, err := io.ReadFull(r.in, length); err != nil {
		return err
	}
	n := int(binary.LittleEndian.Uint16(length))
	if n > maxFrame {
		return fmt.Errorf("%w: %d bytes", errFrame, n)
	}
	sealed := make([]byte, n+r.key.Overhead())
	if _, err := io.ReadFull(r.in, sealed); err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	plain, err := r.key.Open(sealed[:0], r.count.next(), sealed, length)
	if err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	r.plain = plain
	return nil
}
