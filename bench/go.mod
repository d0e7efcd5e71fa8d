module xtls-agent/bench

go 1.26.0

require (
	github.com/brutella/hap v0.0.35
	github.com/google/pprof v0.0.0-20261105003125-4bf881d7fb0b
	github.com/google/uuid v1.6.0
	github.com/xmppo/go-xmpp v0.3.7
	golang.org/x/crypto v0.58.0
	golang.org/x/sys v0.49.0
	mellium.im/xmpp v0.23.0
	periph.io/x/conn/v3 v3.7.3
	periph.io/x/devices/v3 v3.7.4
	xtls-agent v0.0.0
)

require (
	github.com/brutella/dnssd v1.2.14 // indirect
	github.com/creack/pty v1.1.24 // indirect
	github.com/go-chi/chi v1.5.4 // indirect
	github.com/google/go-cmp v0.7.0 // indirect
	github.com/holoplot/go-evdev v0.0.0-20250804134636-ab1d56a1fe83 // indirect
	github.com/jonboulle/clockwork v0.5.0 // indirect
	github.com/kong/go-srp v0.0.0-20191210190804-cde1efa3c083 // indirect
	github.com/miekg/dns v1.1.61 // indirect
	github.com/pelletier/go-toml/v2 v2.4.3 // indirect
	github.com/stretchr/testify v1.12.1 // indirect
	github.com/tadglines/go-pkgs v0.0.0-20210623144937-b983b20f54f9 // indirect
	github.com/vishvananda/netlink v1.2.1-beta.2 // indirect
	github.com/vishvananda/netns v0.0.0-20200728191858-db3c7e526aae // indirect
	github.com/xiam/to v0.0.0-20200126224905-d60d31e03561 // indirect
	golang.org/x/image v0.47.0 // indirect
	golang.org/x/mod v0.41.0 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/term v0.47.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	golang.org/x/tools v0.51.0 // indirect
	gopkg.in/Regis24GmbH/go-diacritics.v2 v2.0.3 // indirect
	mellium.im/reader v0.1.0 // indirect
	mellium.im/sasl v0.3.2 // indirect
	mellium.im/xmlstream v0.15.4 // indirect
	periph.io/x/host/v3 v3.8.5 // indirect
	rsc.io/qr v0.2.0 // indirect
)

replace xtls-agent => ../
