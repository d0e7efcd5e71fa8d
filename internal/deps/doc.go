// Package deps holds the house in order. It has tests only: they compare what each package imports, on every platform that
// is built for, with the table in house_test.go, and the modules that are used with docs/dependencies.md.
package deps
