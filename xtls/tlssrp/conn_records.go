package tlssrp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// Levels of alerts, RFC 5246 §7.2.
const (
	alertWarning = 1
	alertFatal   = 2
)

// maxUselessRecords bounds the records in a row that bring nothing: warnings, empty ones, refused renegotiations.
const maxUselessRecords = 16

// readApplicationData reads one record. Application data goes to c.in.data; what a finished handshake still has to do with other
// types is done. c.in.mu is held.
func (c *Conn) readApplicationData() error {
	typ, data, err := c.readRecord()
	if err != nil {
		return err
	}
	switch typ {
	case recordApplicationData:
		c.in.data = data
		return nil
	case recordHandshake:
		c.in.handshake.Write(data)
		return c.refuseRenegotiation()
	default:
		return c.in.fail(alertf(AlertUnexpectedMessage, "ChangeCipherSpec after the handshake"))
	}
}

// refuseRenegotiation answers what would start another handshake, RFC 5246 §7.4.1.1 and §7.2.2: HelloRequest at the client, ClientHello at
// the server. Anything else is an error.
func (c *Conn) refuseRenegotiation() error {
	starts := typeClientHello
	if c.isClient {
		starts = typeHelloRequest
	}
	for {
		typ, raw, ok, err := c.in.nextMessage()
		switch {
		case err != nil || !ok:
			return err
		case typ != starts:
			return c.in.fail(alertf(AlertUnexpectedMessage, "%v after the handshake", typ))
		case typ == typeHelloRequest && len(raw) > messageHeaderLen: // RFC 5246 §7.4.1.1
			return c.in.fail(alertf(AlertDecodeError, "HelloRequest: %w", errMalformed))
		}
		if err := c.in.countUseless(); err != nil {
			return err
		}
		if err := c.sendAlert(alertWarning, AlertNoRenegotiation); err != nil {
			return err
		}
	}
}

// readRecord returns the next record that is not an alert to be ignored. The data is valid until the next call. c.in.mu is held.
func (c *Conn) readRecord() (recordType, []byte, error) {
	for {
		if c.in.err != nil {
			return 0, nil, c.in.err
		}
		typ, data, err := c.in.nextRecord()
		if err != nil {
			return 0, nil, c.in.fail(err)
		}
		if len(data) == 0 && typ == recordApplicationData && c.complete.Load() { // in a handshake it is data too early
			if err := c.in.countUseless(); err != nil {
				return 0, nil, err
			}
			continue
		}
		if typ == recordAlert {
			if err := c.in.handleAlert(data); err != nil {
				return 0, nil, err
			}
			continue
		}
		if typ == recordApplicationData {
			c.in.useless = 0
		}
		return typ, data, nil
	}
}

// nextRecord reads one record, decrypts it and checks what holds for every record.
func (in *inbound) nextRecord() (recordType, []byte, error) {
	rec, err := in.records.next()
	if err != nil {
		return 0, nil, err
	}
	if in.negotiated && rec.version != VersionTLS12 {
		return 0, nil, alertf(AlertProtocolVersion, "record of version 0x%04X in a TLS 1.2 connection", rec.version)
	}
	data := rec.payload
	if in.protection != nil {
		if data, err = in.protection.open(rec.typ, rec.payload); err != nil {
			return 0, nil, err
		}
	}
	if len(data) > maxPlaintext {
		return 0, nil, alertf(AlertRecordOverflow, "record of %d bytes is too long", len(data))
	}
	if len(data) == 0 && rec.typ != recordApplicationData {
		// RFC 5246 §6.2.1 allows empty records for application data only.
		return 0, nil, alertf(AlertUnexpectedMessage, "empty record of type %d", rec.typ)
	}
	if in.handshake.Len() > 0 && (rec.typ == recordApplicationData || rec.typ == recordChangeCipherSpec) {
		return 0, nil, alertf(AlertUnexpectedMessage, "record of type %d before the handshake messages were done", rec.typ)
	}
	return rec.typ, data, nil
}

// handleAlert returns nil for an alert that can be ignored.
func (in *inbound) handleAlert(data []byte) error {
	if len(data) != 2 {
		return in.fail(alertf(AlertDecodeError, "alert of %d bytes", len(data)))
	}
	level, alert := data[0], AlertError(data[1])
	switch {
	case alert == AlertCloseNotify:
		return in.fail(io.EOF)
	case level == alertWarning:
		return in.countUseless()
	default:
		return in.fail(&RemoteAlertError{alert})
	}
}

func (in *inbound) countUseless() error {
	if in.useless++; in.useless > maxUselessRecords {
		return in.fail(alertf(AlertUnexpectedMessage, "too many records that bring nothing"))
	}
	return nil
}

// fail makes err the end of reading, unless it is a timeout, after which reading can go on. It returns err.
func (in *inbound) fail(err error) error {
	var netErr net.Error
	if errors.As(err, &netErr) && netErr.Timeout() {
		return err
	}
	in.err = err
	return err
}

// nextMessage cuts one handshake message, header included, from what records have brought; ok is false if it is not complete yet.
func (in *inbound) nextMessage() (typ messageType, raw []byte, ok bool, err error) {
	buffered := in.handshake.Bytes()
	if len(buffered) < messageHeaderLen {
		return 0, nil, false, nil
	}
	typ = messageType(buffered[0])
	length := int(binary.BigEndian.Uint32(buffered) & 0xffffff)
	if length > maxMessage {
		return 0, nil, false, in.fail(alertf(AlertDecodeError, "%v of %d bytes is too long", typ, length))
	}
	if len(buffered) < messageHeaderLen+length {
		return 0, nil, false, nil
	}
	raw = append([]byte(nil), in.handshake.Next(messageHeaderLen+length)...)
	return typ, raw, true, nil
}

// readMessage reads the next message of the handshake, header included. c.in.mu is held.
func (c *Conn) readMessage() (messageType, []byte, error) {
	for {
		typ, raw, ok, err := c.in.nextMessage()
		if err != nil || ok {
			return typ, raw, err
		}
		recType, data, err := c.readRecord()
		if err != nil {
			return 0, nil, noEOF(err)
		}
		if recType != recordHandshake {
			return 0, nil, c.in.fail(alertf(AlertUnexpectedMessage, "record of type %d instead of a handshake message", recType))
		}
		c.in.handshake.Write(data)
	}
}

// readChangeCipherSpec reads the peer's and puts its keys into effect. c.in.mu is held.
func (c *Conn) readChangeCipherSpec() error {
	typ, data, err := c.readRecord()
	if err != nil {
		return noEOF(err)
	}
	if typ != recordChangeCipherSpec {
		return c.in.fail(alertf(AlertUnexpectedMessage, "record of type %d instead of ChangeCipherSpec", typ))
	}
	if len(data) != 1 || data[0] != 1 {
		return c.in.fail(alertf(AlertDecodeError, "malformed ChangeCipherSpec"))
	}
	c.in.protection, c.in.pending = c.in.pending, nil
	return nil
}

// noEOF is for the handshake, where close_notify is not the end of a stream: there has been none.
func noEOF(err error) error {
	if err == io.EOF {
		return &RemoteAlertError{AlertCloseNotify}
	}
	return err
}

// writeRecords writes data as records of at most 16 KiB, each at once or, within a flight, to the buffer. It returns how much of data went
// out. c.out.mu is held.
func (c *Conn) writeRecords(typ recordType, data []byte) (int, error) {
	n := 0
	for len(data) > 0 {
		if c.out.err != nil {
			return n, c.out.err
		}
		piece := data[:min(len(data), maxPlaintext)]
		if err := c.writeRecord(typ, piece); err != nil {
			return n, err
		}
		n += len(piece)
		data = data[len(piece):]
	}
	return n, nil
}

func (c *Conn) writeRecord(typ recordType, piece []byte) error {
	start := len(c.out.buf)
	buf := append(c.out.buf, byte(typ), byte(VersionTLS12>>8), byte(VersionTLS12&0xff), 0, 0)
	if c.out.protection == nil {
		buf = append(buf, piece...)
	} else {
		sealed, err := c.out.protection.seal(buf, typ, piece, c.config.rand())
		if err != nil {
			c.out.err = err
			return err
		}
		buf = sealed
	}
	binary.BigEndian.PutUint16(buf[start+3:], uint16(len(buf)-start-recordHeaderLen))
	c.out.buf = buf
	if c.out.buffering {
		return nil
	}
	return c.flushLocked()
}

// flushLocked hands the buffer to the transport. After an error the stream of records is broken, so the error stays. c.out.mu is held.
func (c *Conn) flushLocked() error {
	if c.out.err != nil || len(c.out.buf) == 0 {
		return c.out.err
	}
	_, err := c.conn.Write(c.out.buf)
	c.out.buf = c.out.buf[:0]
	if err != nil {
		c.out.err = err
	}
	return err
}

// fail makes err the end of writing.
func (out *outbound) fail(err error) {
	out.mu.Lock()
	defer out.mu.Unlock()
	out.err = err
}

// sendAlertFor tells the peer why the connection ends, if err is an alert of ours, once.
func (c *Conn) sendAlertFor(err error) {
	var local *LocalAlertError
	if !errors.As(err, &local) {
		return
	}
	_ = c.sendAlert(alertFatal, local.Alert)
	c.out.fail(err)
}

// sendAlert sends an alert, after whatever was buffered before it.
func (c *Conn) sendAlert(level byte, alert AlertError) error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if c.out.err != nil || c.out.closeNotifySent {
		return c.out.err
	}
	c.out.buffering = false
	if err := c.writeRecord(recordAlert, []byte{level, byte(alert)}); err != nil {
		return fmt.Errorf("tlssrp: sending %v: %w", alert, err)
	}
	return nil
}
