// Package owner is the owner's side as a library: it finds a device, pairs with it by PIN,
// and opens the encrypted sessions over which the device is controlled.
//
// It takes an [xmpp.Link] and a [trust.Store]; it opens no files and no sockets and asks nobody, so
// that it also runs in a browser. Choosing a link, keeping files and talking to a person
// is the work of package client and of the programs.
package owner
