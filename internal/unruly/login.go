package unruly

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/pbkdf2"
	"mellium.im/sasl"
	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/stream"
)

const (
	nsSASL  = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsSASL2 = "urn:xmpp:sasl:2"
	nsBind2 = "urn:xmpp:bind:0"
	nsFAST  = "urn:xmpp:fast:0"

	byPassword = "SCRAM-SHA-256"
	byToken    = "HT-SHA-256-EXPR"
)

// features are what the server takes, all in one step.
func features() *xmpp.Element {
	bind := xmpp.NewElement(nsBind2, "bind", xmpp.NewElement(nsBind2, "inline", xmpp.NewElement(nsBind2, "feature").With("var", nsSM)))
	fast := xmpp.NewElement(nsFAST, "fast", xmpp.NewText(nsFAST, "mechanism", byToken))
	return xmpp.NewElement(xmpp.NSStream, "features", xmpp.NewElement(nsSASL2, "authentication",
		xmpp.NewText(nsSASL2, "mechanism", byPassword), xmpp.NewElement(nsSASL2, "inline", fast, bind, xmpp.NewElement(nsSM, "sm"))))
}

var errRefused = errors.New("refused")

// logIn opens the stream and authenticates the client, who may try twice: a token and then the password.
func (c *conn) logIn() error {
	if _, err := c.framer.ReadHeader(); err != nil {
		return err
	}
	if err := c.framer.WriteHeader(stream.Header{From: jid.MustParse(Domain), ID: "1", Version: "1.0"}, features()); err != nil {
		return err
	}
	for range 2 {
		auth, err := c.framer.ReadElement()
		if err != nil {
			return err
		}
		proof, user, err := c.authenticate(auth)
		if err == nil {
			return c.admit(auth, user, proof)
		}
		failure := xmpp.NewElement(nsSASL2, "failure", xmpp.NewElement(nsSASL, "not-authorized"))
		if err := c.framer.WriteElement(failure); err != nil {
			return err
		}
	}
	return errRefused
}

// authenticate returns the server's own proof, and who the client is.
func (c *conn) authenticate(auth *xmpp.Element) (proof []byte, user string, err error) {
	first, err := base64.StdEncoding.DecodeString(auth.Child(nsSASL2, "initial-response").Text())
	if err != nil {
		return nil, "", err
	}
	switch auth.Attr("mechanism") {
	case byToken:
		return c.checkToken(first)
	case byPassword:
		return c.scram(first)
	}
	return nil, "", errRefused
}

func (c *conn) checkToken(message []byte) (proof []byte, user string, err error) {
	user, mac, _ := strings.Cut(string(message), "\x00")
	c.server.mu.Lock()
	token := c.server.tokens[user]
	c.server.mu.Unlock()
	state := c.tls.ConnectionState()
	binding, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
	if err != nil {
		return nil, "", err
	}
	of := func(role string) []byte {
		h := hmac.New(sha256.New, []byte(token))
		h.Write([]byte(role))
		h.Write(binding)
		return h.Sum(nil)
	}
	if token == "" || !hmac.Equal([]byte(mac), of("Initiator")) {
		return nil, "", errRefused
	}
	return of("Responder"), user, nil
}

func (c *conn) scram(first []byte) (proof []byte, user string, err error) {
	salt := []byte("0123456789abcdef")
	server := sasl.NewServer(sasl.ScramSha256, func(*sasl.Negotiator) bool { return true },
		sasl.SaltedCredentials(func(name, _ []byte, _ string) ([]byte, []byte, int64, error) {
			user = string(name)
			return salt, pbkdf2.Key([]byte(Password), salt, 4096, sha256.Size, sha256.New), 4096, nil
		}))
	_, challenge, err := server.Step(first)
	if err != nil {
		return nil, "", err
	}
	if err := c.framer.WriteElement(xmpp.NewText(nsSASL2, "challenge", base64.StdEncoding.EncodeToString(challenge))); err != nil {
		return nil, "", err
	}
	response, err := c.framer.ReadElement()
	if err != nil {
		return nil, "", err
	}
	data, err := base64.StdEncoding.DecodeString(response.Text())
	if err != nil {
		return nil, "", err
	}
	_, proof, err = server.Step(data)
	return proof, user, err
}

// admit resumes the stream that the client claims, or binds another, and says so. It is in the order in which the client hears it: what
// is sent again follows.
func (c *conn) admit(auth *xmpp.Element, user string, proof []byte) error {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	claim := auth.Child(nsSM, "resume")
	one := s.streams[claim.Attr("previd")]
	if one != nil && one.full.Localpart() != user {
		return errRefused
	}
	answer, resumed := s.judge(claim, one), one != nil
	if !resumed {
		full := jid.MustParse(user + "@" + Domain + "/" + auth.Child(nsBind2, "bind").Child(nsBind2, "tag").Text())
		one = s.bind(full)
		answer += fmt.Sprintf("<bound xmlns='%s'><enabled xmlns='%s' id='%s' resume='true' max='300'/></bound>", nsBind2, nsSM, one.id)
	}
	if auth.Child(nsFAST, "request-token") != nil || s.tokens[user] == "" {
		s.tokens[user] = s.name("token")
		answer += fmt.Sprintf("<token xmlns='%s' token='%s' expiry='2099-01-01T00:00:00Z'/>", nsFAST, s.tokens[user])
	}
	c.say(fmt.Sprintf("<success xmlns='%s'><additional-data>%s</additional-data>", nsSASL2, base64.StdEncoding.EncodeToString(proof)) +
		fmt.Sprintf("<authorization-identifier>%s</authorization-identifier>%s</success>", one.full, answer))
	c.session = one
	c.expect()
	if h, err := strconv.ParseUint(claim.Attr("h"), 10, 32); resumed && err == nil {
		one.resume(c, uint32(h))
	} else {
		one.conn = c
	}
	return nil
}

// judge is the answer to a claim of a stream, which is nil if there is none; empty if nothing is claimed. The caller holds mu.
func (s *Server) judge(claim *xmpp.Element, one *session) string {
	if one != nil {
		return fmt.Sprintf("<resumed xmlns='%s' previd='%s' h='%d'/>", nsSM, one.id, one.handled)
	}
	if claim == nil {
		return ""
	}
	count := ""
	if h, ok := s.counted[claim.Attr("previd")]; ok {
		count = fmt.Sprintf(" h='%d'", h)
	}
	return fmt.Sprintf("<failed xmlns='%s'%s><item-not-found xmlns='%s'/></failed>", nsSM, count, xmpp.NSStanzas)
}
