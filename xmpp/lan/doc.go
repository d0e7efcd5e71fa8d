// Package lan is the serverless link (XEP-0174): an XML stream between two machines of one network, over plain TCP,
// found by multicast DNS or reached by address.
//
// A [Listener] takes connections, a bounded number of them; [Dial] makes one. What comes out of either is a [Link]. Announce
// and Browse are the multicast DNS of XEP-0174 §3, for who does not know an address.
//
// Nothing here is encrypted, and nobody proves who he is: the JIDs of a stream's headers are claims, and the only thing
// that is known of a peer is his network address ([Link.NetAddr]). Proof and encryption are what xtls adds.
package lan
