//go:build !amd64

package main

func operations() map[string]func(input) error {
	return map[string]func(input) error{"exchange": exchange}
}
