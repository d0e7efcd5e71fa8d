// Package boards tests the two programs on real kernels: what they do with GPIO lines, input devices and framebuffers is seen
// here by the kernel's own word, and not by a fake's. Package guest is what it runs on.
//
// `make guests` runs it; `go test -v` shows each step as it is taken.
package boards
