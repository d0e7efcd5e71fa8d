// Command mutants removes the program's security checks one at a time and runs the tests that should notice.
//
// The checks are in the files of list, each of them a mutant: the rule, the text of the check, the text that takes its
// place, and the tests by which it must be noticed. The tests must pass without the mutant and fail with it. A mutant that they
// do not notice is a survivor: a promise of docs/security.md that nothing holds the program to. So is a line of the list that has
// gone stale: its text is not in the file any more, or does not compile.
//
// The work tree is never touched: `go test -overlay` puts the changed file in the place of the real one. "make mutants" runs
// all of them, "make mutants MUTANT=pairing" those with that in their name. What came of it is written to docs/mutants.txt.
package main
