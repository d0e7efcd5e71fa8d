package tlssrp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"slices"
)

// A stage is the transport of a victim whose peer is a script: whoever reads from it has the script go on until there is something to
// read. So a whole connection runs in one goroutine, and none of it waits.
type stage struct {
	net.Conn // nil: what is not defined here is not used
	toVictim bytes.Buffer
	toRogue  bytes.Buffer
	heard    bytes.Buffer // all that the victim sent
	next     func() bool  // plays one step; false says that the script is over
	splits   bool         // the rogue's handshake messages come a few bytes a record, while they are in the clear
}

func (s *stage) Write(p []byte) (int, error) {
	s.heard.Write(p)
	return s.toRogue.Write(p)
}

func (s *stage) Read(p []byte) (int, error) {
	for s.toVictim.Len() == 0 {
		if !s.next() {
			return 0, io.EOF
		}
	}
	return s.toVictim.Read(p)
}

// backstage is the rogue's end of a stage.
type backstage struct {
	net.Conn
	stage *stage
	rogue *Conn
}

func (b *backstage) Read(p []byte) (int, error) { return b.stage.toRogue.Read(p) }

func (b *backstage) Write(p []byte) (int, error) {
	if !b.stage.splits || b.rogue.out.protection != nil || recordType(p[0]) != recordHandshake {
		return b.stage.toVictim.Write(p)
	}
	for piece := range slices.Chunk(p[recordHeaderLen:], 7) {
		b.stage.toVictim.Write(rawRecordBytes(recordHandshake, VersionTLS12, piece))
	}
	return len(p), nil
}

// act is what a step of a script was, in the eyes of the model.
type act int

const (
	actNothing act = iota // sends nothing
	actIdle               // a record that brings nothing, and that TLS lets pass
	actHello              // the four or five messages of an honest handshake
	actKey
	actDone
	actSpec
	actFinished
	actWords   // application data
	actGoodbye // close_notify
	actAttack  // anything else
)

// A rogue plays a script against a victim. It can make every message as an honest peer would, and others.
type rogueScript struct {
	stage  *stage
	conn   *Conn
	hs     *handshakeState
	steps  []func() act // by opcode; the same for both roles are first
	script []byte
	played []act
	errs   error // of the rogue's own making, that no step looks at
}

func newRogue(script []byte) *rogueScript {
	r := &rogueScript{stage: new(stage), script: script}
	r.stage.next = r.step
	r.steps = []func() act{r.split, r.warning, r.emptyData, r.rawMessage, r.rawRecord, r.fatal, r.goodbye, r.words, r.spec, r.finished, r.almostFinished}
	return r
}

func (r *rogueScript) take() (b byte) {
	if len(r.script) > 0 {
		b, r.script = r.script[0], r.script[1:]
	}
	return b
}

func (r *rogueScript) step() bool {
	if len(r.script) == 0 {
		return false
	}
	r.played = append(r.played, r.steps[int(r.take())%len(r.steps)]())
	return true
}

func (r *rogueScript) send(typ recordType, data []byte) {
	r.conn.out.mu.Lock()
	defer r.conn.out.mu.Unlock()
	r.errs = errors.Join(r.errs, r.conn.writeRecord(typ, data))
}

func (r *rogueScript) split() act {
	r.stage.splits = !r.stage.splits
	return actNothing
}

func (r *rogueScript) warning() act {
	r.send(recordAlert, []byte{alertWarning, byte(AlertUserCanceled)})
	return actIdle
}

func (r *rogueScript) emptyData() act {
	r.send(recordApplicationData, nil)
	return actIdle
}

func (r *rogueScript) some() []byte {
	n := min(int(r.take()), len(r.script))
	defer func() { r.script = r.script[n:] }()
	return r.script[:n]
}

// rawMessage sends a message of whatever type and content.
func (r *rogueScript) rawMessage() act {
	typ, body := r.take(), r.some()
	raw := append([]byte{typ, 0, 0, byte(len(body))}, body...)
	if messageType(typ) == typeHelloRequest && len(body) == 0 && !r.conn.isClient {
		r.send(recordHandshake, raw) // RFC 5246 §7.4.1.1: a client ignores it, and it is no part of the transcript
		return actIdle
	}
	r.errs = errors.Join(r.errs, r.hs.send(raw, nil))
	if messageType(typ) == typeServerHelloDone && len(body) == 0 && !r.conn.isClient {
		return actDone
	}
	return actAttack
}

// rawRecord sends a record of whatever content; alerts and application data have steps of their own.
func (r *rogueScript) rawRecord() act {
	typ, data := recordType(r.take()), r.some()
	if typ == recordAlert || typ == recordApplicationData {
		return actNothing
	}
	r.send(typ, data)
	return actAttack
}

func (r *rogueScript) fatal() act {
	alert := r.take()
	r.send(recordAlert, []byte{alertFatal, alert})
	if AlertError(alert) == AlertCloseNotify { // whatever its level says
		return actGoodbye
	}
	return actAttack
}

func (r *rogueScript) goodbye() act {
	r.send(recordAlert, []byte{alertWarning, byte(AlertCloseNotify)})
	return actGoodbye
}

func (r *rogueScript) words() act {
	r.send(recordApplicationData, []byte("x"))
	return actWords
}

func (r *rogueScript) spec() act {
	r.errs = errors.Join(r.errs, r.hs.changeCipherSpec())
	if r.hs.out == nil { // it promised keys that it does not have
		return actAttack
	}
	return actSpec
}

func (r *rogueScript) finished() act {
	m := &finishedMessage{verifyData(r.hs.master, r.conn.isClient, r.hs.transcript)}
	r.errs = errors.Join(r.errs, r.hs.send(m.marshal()))
	return actFinished
}

func (r *rogueScript) almostFinished() act {
	data := verifyData(r.hs.master, r.conn.isClient, r.hs.transcript)
	data[int(r.take())%len(data)] ^= 1
	m := &finishedMessage{data}
	r.errs = errors.Join(r.errs, r.hs.send(m.marshal()))
	return actAttack
}

// run runs the steps of an honest peer, as far as they go.
func (r *rogueScript) run(steps ...func() error) bool {
	r.conn.in.mu.Lock()
	defer r.conn.in.mu.Unlock()
	for _, step := range steps {
		if err := step(); err != nil {
			r.errs = errors.Join(r.errs, err)
			return false
		}
	}
	return true
}

// rogueClient is a script against a server.
func rogueClient(config *Config, script []byte) *rogueScript {
	r := newRogue(script)
	end := &backstage{stage: r.stage}
	r.conn = Client(end, config)
	end.rogue = r.conn
	hs := &clientHandshakeState{
		handshakeState: handshakeState{c: r.conn, transcript: sha256.New()}, config: config, ka: clientKeyAgreement{config: config},
	}
	r.hs = &hs.handshakeState
	hello := func() act {
		r.run(hs.sendClientHello)
		return actHello
	}
	key := func() act {
		if hs.hello == nil || hs.master != nil || !r.run(hs.readServerHello, hs.readServerKeyExchange, hs.readServerHelloDone) {
			r.run(func() error { return hs.send((&clientKeyExchangeMessage{[]byte{2}}).marshal()) })
			return actAttack
		}
		r.run(func() error {
			premaster, raw, err := hs.ka.generateClientKeyExchange()
			return errors.Join(hs.send(raw, err), hs.deriveKeys(premaster))
		})
		return actKey
	}
	// zeroKey is the attack on an SRP server that does not look: A = 0 mod N makes S = 0, and no password is needed.
	zeroKey := func() act {
		if hs.hello == nil || hs.suite != nil || !r.run(hs.readServerHello, hs.readServerKeyExchange, hs.readServerHelloDone) {
			return actNothing
		}
		A := [][]byte{{0}, smallGroup().N(), append(smallGroup().N(), 0)}[r.take()%3]
		r.run(func() error {
			return errors.Join(hs.send((&clientKeyExchangeMessage{A}).marshal()), hs.deriveKeys(nil))
		})
		return actAttack
	}
	r.steps = append(r.steps, hello, key, zeroKey)
	return r
}

// rogueServer is a script against a client.
func rogueServer(config *Config, script []byte) *rogueScript {
	r := newRogue(script)
	end := &backstage{stage: r.stage}
	r.conn = Server(end, config)
	end.rogue = r.conn
	hs := &serverHandshakeState{handshakeState: handshakeState{c: r.conn, transcript: sha256.New()}, config: config}
	r.hs = &hs.handshakeState
	hello := func() act {
		if hs.suite == nil {
			r.run(hs.readClientHello, func() error { return hs.findVerifier(context.Background()) })
			hs.serverRandom = testRandom(9)
		}
		r.run(hs.sendServerHello)
		return actHello
	}
	key := func() act {
		if hs.suite == nil {
			return actNothing
		}
		r.run(func() error { return hs.send(hs.ka.generateServerKeyExchange(hs.clientRandom, hs.serverRandom)) })
		return actKey
	}
	zeroKey := func() act {
		B := [][]byte{{0}, smallGroup().N(), append(smallGroup().N(), 0)}[r.take()%3]
		m := &serverKeyExchangeMessage{n: smallGroup().N(), g: smallGroup().G(), salt: []byte{1}, public: B}
		r.run(func() error { return hs.send(m.marshal()) })
		return actAttack
	}
	done := func() act {
		r.run(func() error { return hs.send(marshalServerHelloDone()) })
		return actDone
	}
	spec := func() act {
		if hs.master == nil && hs.ka.srp != nil { // the client's proof is here, if it has been let to give one
			r.run(func() error { return hs.readClientKeyExchange(context.Background()) }, func() error { return hs.readProof(context.Background()) })
		}
		return r.spec()
	}
	r.steps = append(r.steps, hello, key, zeroKey, done, spec)
	return r
}
