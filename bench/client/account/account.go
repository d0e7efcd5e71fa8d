// Package account is what a client of the benchmark reads and prints. It stands by itself so that a client has nothing else in it.
package account

// An Account is what a client reads, in JSON.
type Account struct {
	JID      string `json:"jid"`
	Password string `json:"password"`
	Host     string `json:"host"` // the server's or a relay's address
	Port     int    `json:"port"` // takes TLS from the first byte
	CA       string `json:"ca"`   // a file
	To       string `json:"to"`   // who is asked for a ping; nobody if empty
}

// An Answer is what a client prints when its ping was answered, or when it is online if it asks nobody.
type Answer struct {
	Resumed bool `json:"resumed"` // the stream was
	Token   bool `json:"token"`   // the client logged in by one
}
