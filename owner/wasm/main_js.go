// Command wasm is package [xtls-agent/owner] for JavaScript: the owner's side of pairing and control, for a
// web page or for Node. It is built with GOOS=js GOARCH=wasm and loaded by owner.mjs, which also documents
// what JavaScript sees.
//
// The link and the store come from JavaScript: see [link] and [store] for what they must look like. Everything that
// proves or protects something (TLS-SRP, mutual TLS 1.3, the pins, the stream headers) is the same Go code that
// xtlsctl runs; JavaScript carries stanzas and keeps files.
//
// It is not a client of an XMPP server: the page has one, and lends its connection.
package main

import (
	"os"
	"syscall/js"
)

// main hands the functions of a [program] to owner.mjs: the argument names a global function that takes them.
func main() {
	if len(os.Args) != 2 {
		println("this program is loaded by owner.mjs")
		os.Exit(2)
	}
	p := newProgram()
	functions := p.functions()
	js.Global().Call(os.Args[1], functions)
	<-p.ended
}
