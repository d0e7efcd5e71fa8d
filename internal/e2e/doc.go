// Package e2e holds the tests that run the two built programs as processes, the way people run them: configuration
// files, passwords in files, a display on a terminal, real servers on loopback, signals and exit codes. It has no code
// of its own.
//
// The programs are built once, with the race detector. Whatever they print where no secret may stand (every log,
// every line of xtlsctl) is searched, at the end of each test, for every PIN, password and key that the test used.
package e2e
