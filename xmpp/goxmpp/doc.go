// Package goxmpp is the link to a server on github.com/xmppo/go-xmpp: an [xmpp.Link] for programs that log in, do
// one thing and leave. It resumes nothing; xmpp/c2s is the link for what must stay online.
//
// The library dials by itself, waits without end, and leaves sockets behind. So it is given a relay on loopback: every
// socket to the server is ours, and so are its deadlines and its end. TLS runs through the relay, between the library and the
// server, whose certificate the library verifies against the domain of the JID and the roots of [Config].
//
// What the library drops cannot be brought back, and is the same for everybody who uses this link:
//
//   - A message arrives without its id and its address ("to"); a payload element of it that is named x or event is lost.
//   - A presence arrives with show and status alone: no capabilities.
//   - A PEP event has lost its sender. It is dropped, since an event from nobody would count as the own account's.
//   - An IQ arrives with one payload element, the last. RFC 6120 §8.2.3 allows no more in a request.
//   - An error arrives with one condition, the last. An application's condition whose document names the defined one
//     that it goes with (XEP-0166, XEP-0050, XEP-0060) brings that one along; others arrive as undefined-condition.
//   - Results of disco#info and disco#items have lost their node and the type of their forms, which is "result" (XEP-0128).
//   - Pings and version requests are answered by the library.
//   - Its initial presence, sent while it logs in, is empty: send another one with capabilities.
package goxmpp
