package homekit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// patience bounds one request whose context has no deadline.
const patience = 30 * time.Second

// A Conn is a connection with an accessory: HTTP/1.1, encrypted once PairVerify has succeeded. It is for one goroutine.
type Conn struct {
	conn   net.Conn
	reader *bufio.Reader
	writer io.Writer
}

// NewConn speaks over conn, which it closes in the end.
func NewConn(conn net.Conn) *Conn {
	return &Conn{conn: conn, reader: bufio.NewReader(conn), writer: conn}
}

// Close ends the connection.
func (c *Conn) Close() error { return c.conn.Close() }

// encrypt switches both directions to frames (HAP §6.5.2). What has come and was not read is frames already.
func (c *Conn) encrypt(shared []byte) error {
	// Named by the accessory: it reads what the controller writes.
	write, err := deriveAEAD(shared, "Control-Salt", "Control-Write-Encryption-Key")
	if err != nil {
		return err
	}
	read, err := deriveAEAD(shared, "Control-Salt", "Control-Read-Encryption-Key")
	if err != nil {
		return err
	}
	c.writer = &frameWriter{out: c.conn, key: write}
	c.reader = bufio.NewReader(newFrameReader(c.reader, read))
	return nil
}

const (
	typePairing = "application/pairing+tlv8"
	typeJSON    = "application/hap+json"
)

// post sends a message of pairing and returns the answer, which must be in the state given.
func (c *Conn) post(ctx context.Context, path string, state byte, t tlv8) (tlv8, error) {
	if err := c.send(ctx, "POST", path, typePairing, t.encode()); err != nil {
		return nil, err
	}
	return c.state(path, state)
}

// state reads the answer to a message of pairing, which must be in the state given.
func (c *Conn) state(path string, state byte) (tlv8, error) {
	_, body, err := c.receive("POST", path)
	if err != nil {
		return nil, err
	}
	answer, err := decodeTLV8(body)
	if err != nil {
		return nil, err
	}
	return answer, answer.expect(state)
}

// roundTrip sends a request and reads the answer.
func (c *Conn) roundTrip(ctx context.Context, method, path, contentType string, body []byte) (status int, answer []byte, err error) {
	if err := c.send(ctx, method, path, contentType, body); err != nil {
		return 0, nil, err
	}
	return c.receive(method, path)
}

// send sends a request, in one write. Its deadline is that of the answer, too.
func (c *Conn) send(ctx context.Context, method, path, contentType string, body []byte) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(patience)
	}
	if err := c.conn.SetDeadline(deadline); err != nil {
		return err
	}
	var request bytes.Buffer
	fmt.Fprintf(&request, "%s %s HTTP/1.1\r\nHost: accessory.local\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", method, path, contentType, len(body))
	request.Write(body)
	if _, err := c.writer.Write(request.Bytes()); err != nil {
		return fmt.Errorf("homekit: %s: %w", path, err)
	}
	return nil
}

func (c *Conn) receive(method, path string) (status int, answer []byte, err error) {
	res, err := http.ReadResponse(c.reader, &http.Request{Method: method})
	if err != nil {
		return 0, nil, fmt.Errorf("homekit: %s: %w", path, err)
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, answer, err
}

// A Characteristic is something of an accessory that can be read and written.
type Characteristic struct {
	AID uint64 `json:"aid"`
	IID uint64 `json:"iid"`
}

// Switch finds the characteristic On of the first switch that the accessory has (HAP §6.6.4).
func (c *Conn) Switch(ctx context.Context) (Characteristic, error) {
	status, body, err := c.roundTrip(ctx, "GET", "/accessories", typeJSON, nil)
	if err != nil {
		return Characteristic{}, err
	}
	var list struct {
		Accessories []struct {
			AID      uint64
			Services []struct {
				Characteristics []struct {
					IID  uint64
					Type string
				}
			}
		}
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return Characteristic{}, fmt.Errorf("homekit: accessories, status %d: %w", status, err)
	}
	for _, a := range list.Accessories {
		for _, s := range a.Services {
			for _, ch := range s.Characteristics {
				if strings.TrimLeft(ch.Type, "0") == typeOn {
					return Characteristic{a.AID, ch.IID}, nil
				}
			}
		}
	}
	return Characteristic{}, errors.New("homekit: the accessory has no switch")
}

// typeOn is public.hap.characteristic.on (HAP §9.70).
const typeOn = "25"

// Write writes a characteristic. It returns when the accessory has said that it is done (HAP §6.7.2).
func (c *Conn) Write(ctx context.Context, ch Characteristic, on bool) error {
	body := fmt.Appendf(nil, `{"characteristics":[{"aid":%d,"iid":%d,"value":%t}]}`, ch.AID, ch.IID, on)
	status, answer, err := c.roundTrip(ctx, "PUT", "/characteristics", typeJSON, body)
	if err == nil && status != http.StatusNoContent {
		err = fmt.Errorf("homekit: writing: status %d: %.100s", status, answer)
	}
	return err
}

// Read reads a characteristic that is on or off (HAP §6.7.4).
func (c *Conn) Read(ctx context.Context, ch Characteristic) (bool, error) {
	status, answer, err := c.roundTrip(ctx, "GET", fmt.Sprintf("/characteristics?id=%d.%d", ch.AID, ch.IID), typeJSON, nil)
	if err != nil {
		return false, err
	}
	var got struct{ Characteristics []struct{ Value any } }
	if err := json.Unmarshal(answer, &got); err != nil || len(got.Characteristics) != 1 {
		return false, fmt.Errorf("homekit: reading: status %d: %.100s", status, answer)
	}
	return got.Characteristics[0].Value == true || got.Characteristics[0].Value == 1.0, nil
}
