// Package stream is an XML stream (RFC 6120 §4) over any [net.Conn].
//
// A [Stream] is an [xmpp.Link] between two parties: the end-to-end stream inside an encrypted channel (XEP-0246,
// XEP-0247), the serverless link (XEP-0174) and the local socket are all this. It exchanges headers, and from then on
// every stanza comes from the one address and goes to the other, whatever the peer writes.
//
// A [Framer] is the layer beneath: headers, elements, errors and the end of a stream, for who negotiates more than
// that (xmpp/c2s). It opens no sockets and encrypts nothing.
package stream
