module xtls-agent/bench

go 1.26.0

require (
	github.com/google/pprof v0.0.0-20261105003125-4bf881d7fb0b
	xtls-agent v0.0.0
)

require (
	filippo.io/bigmod v0.1.0 // indirect
	github.com/kong/go-srp v0.0.0-20191210190804-cde1efa3c083 // indirect
	github.com/stretchr/testify v1.12.1 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace xtls-agent => ../
