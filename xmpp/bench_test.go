package xmpp

import (
	"bytes"
	"encoding/base64"
	"io"
	"testing"
)

// endless repeats what one stanza is on the wire.
type endless struct {
	stanza []byte
	at     int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.stanza[e.at:])
	e.at = (e.at + n) % len(e.stanza)
	return n, nil
}

// BenchmarkDecoder reads what a bytestream brings: blocks of 4096 bytes in base64, and acknowledgements.
func BenchmarkDecoder(b *testing.B) {
	block := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("xtls"), 1024))
	for name, text := range map[string]string{
		"block": "<iq type='set' id='ABCDEFGHIJKLMNOPQRSTUVWXYZ' from='romeo@montague.lit/orchard' to='juliet@capulet.lit/balcony'>" +
			"<data xmlns='http://jabber.org/protocol/ibb' seq='1' sid='ABCDEFGHIJKLMNOPQRSTUVWXYZ'>" + block + "</data></iq>",
		"acknowledgement": "<iq type='result' id='ABCDEFGHIJKLMNOPQRSTUVWXYZ' from='juliet@capulet.lit/balcony' to='romeo@montague.lit/orchard'/>",
	} {
		b.Run(name, func(b *testing.B) {
			d := NewDecoder(io.MultiReader(bytes.NewReader([]byte("<stream xmlns='jabber:client'>")), &endless{stanza: []byte(text)}), Limits{})
			if _, err := d.Root(); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
