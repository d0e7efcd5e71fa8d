package goxmpp

import (
	"os"
	"sync"
)

// environment guards the environment of the process, which is shared by all anyway.
var environment sync.Mutex

// withoutProxy takes away the variables that make the library dial a proxy, until the function that it returns is
// called. The library reads them when it dials, and has no other switch. An address on loopback through a proxy would be the proxy's own.
func withoutProxy() (restore func()) {
	environment.Lock()
	var back []func()
	for _, name := range []string{"HTTP_PROXY", "http_proxy"} {
		if value, ok := os.LookupEnv(name); ok {
			_ = os.Unsetenv(name) // fails only for a bad name
			back = append(back, func() { _ = os.Setenv(name, value) })
		}
	}
	return func() {
		for _, set := range back {
			set()
		}
		environment.Unlock()
	}
}
