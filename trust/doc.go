// Package trust knows who is who: this program's own X.509 identity, and the records
// of the peers that it has pinned.
//
// It follows the ProtoXEP jingle-xtls (a peer is known by the fingerprint of the
// certificate that it showed once, over a channel keyed by a PIN) and DESIGN §3
// "Enrolment", §4 "Roles" and §5. There is no certificate authority here, no chain
// and no revocation list, and validity dates mean nothing: a Pi boots in 1970.
//
// # Records
//
// A peer is the pair of a bare JID and a SHA-256 fingerprint. A new certificate never
// replaces another: it is another record. A record goes this way:
//
//	          AddProvisional             Confirm
//	(absent) ───────────────▶ provisional ───────▶ confirmed
//	    ▲                         │                    │
//	    └── another is confirmed, ┘                    │
//	    │   Remove, crowded out                        │
//	    └───────────────────────────────── Remove, Wipe┘
//
// A provisional peer proved the PIN. It may open x509, and doing so confirms it. A
// device with none but provisional owners counts as unowned.
//
// # Roles
//
// The owners of a device stand in the order of their confirmation. The first is the
// admin; if the admin is removed (at the box), the next in order is.
//
//	who            may remove
//	at the box     everybody
//	the admin      everybody else
//	other owners   themselves, and whom they admitted, directly or through others
//
// "Through others" keeps an owner from outliving its removal by a second certificate
// that it admitted itself: who admitted the first can remove the second too. When
// an owner goes, those whom it admitted count as admitted by whoever admitted it.
//
// # Durability
//
// Every change is computed on a copy, written to the [Store], and only then takes
// effect. What a method acknowledged is on disk.
package trust
