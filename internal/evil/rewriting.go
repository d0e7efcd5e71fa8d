package evil

import "strings"

// A Rewriting is what a server can do to the words around TLS.
type Rewriting struct {
	Name           string
	Pairing, Later bool // whether it hits while they pair, and in a later session
	Ends           bool // the programs must not go on; where it is false the words do not matter, and they may
	Change         func(text string) string
}

// Rewritings are those that the tests know, for an owner whose name begins with romeo. A fingerprint beside the method srp proves
// nothing: what is pinned comes by enrolment.
var Rewritings = []Rewriting{
	{"from", true, true, true, In("from='romeo", Replace("from='romeo[^']*'", "from='paul@home.example/tablet'"))},
	{"initiator", true, true, true, In(Offer, Replace("initiator='romeo[^']*'", "initiator='paul@home.example/tablet'"))},
	{"initiator of the choice", true, true, true, In(Info, Replace("initiator='romeo[^']*'", "initiator='paul@home.example/tablet'"))},
	{"responder", true, true, true, In(Answer, Replace("responder='[^']*'", "responder='box2@home.example/b2'"))},
	{"fingerprint offered", false, true, true, In(Offer, Replace(">[0-9a-f]{64}<", ">"+strings.Repeat("5a", 32)+"<"))},
	{"fingerprint offered with srp", true, false, false, In(Offer, In("name='srp'", Replace(">[0-9a-f]{64}<", ">"+strings.Repeat("5a", 32)+"<")))},
	{"fingerprint answered", false, true, true, In(Answer, Replace(">[0-9a-f]{64}<", ">"+strings.Repeat("5a", 32)+"<"))},
	{"fingerprint by SHA-1", false, true, true, In(Answer, Replace("algo='sha-256'>[0-9a-f]{64}<", "algo='sha-1'>"+strings.Repeat("5a", 20)+"<"))},
	{"method offered, srp to x509", true, false, true, In(Offer, Replace("name='srp'", "name='x509'"))},
	{"method offered, x509 to srp", false, true, true, In(Offer, Replace("name='x509'", "name='srp'"))},
	{"method answered, srp to x509", true, false, true, In(Answer, Replace("name='srp'", "name='x509'"))},
	{"method answered, x509 to srp", false, true, true, In(Answer, Replace("name='x509'", "name='srp'"))},
	{"method chosen, srp to x509", true, false, true, In(Info, Replace("name='srp'", "name='x509'"))},
	{"method chosen, x509 to srp", false, true, true, In(Info, Replace("name='x509'", "name='srp'"))},
	{"a method more offered, x509", true, false, false, In(Offer, Replace("<method name='srp'/>", "<method name='x509'/><method name='srp'/>"))},
	{"a method more offered, srp", false, true, false, In(Offer, Replace("<method name='x509'/>", "<method name='srp'/><method name='x509'/>"))},
	{"a method more answered", true, true, false, In(Answer, Replace("<method ", "<method name='openpgp'/><method "))},
	{"PIN to be typed", true, false, true, In(Answer, Replace("<method name='srp'/></security>", "<method name='srp'/><typed xmlns='urn:xtls-agent:pairing:0'/></security>"))},
	{"PIN to be typed, in a later session", false, true, false, In(Answer, Replace("</security>", "<typed xmlns='urn:xtls-agent:pairing:0'/></security>"))},
	{"no security offered", true, true, true, In(Offer, Replace("<security.*</security>", ""))},
	{"no security answered", true, true, true, In(Answer, Replace("<security.*</security>", ""))},
	{"no method offered", true, true, true, In(Offer, Replace("<method [^>]*>", ""))},
	{"no method answered", true, true, true, In(Answer, Replace("<method [^>]*>", ""))},
	{"no fingerprint offered", false, true, true, In(Offer, Replace("<fingerprint.*</fingerprint>", ""))},
	{"no fingerprint offered with srp", true, false, false, In(Offer, In("name='srp'", Replace("<fingerprint.*</fingerprint>", "")))},
	{"no fingerprint answered", false, true, true, In(Answer, Replace("<fingerprint.*</fingerprint>", ""))},
	{"another transport answered", true, true, true, In(Answer, Replace("(<transport [^>]*)sid='[^']*'", "${1}sid='evil'"))},
}
