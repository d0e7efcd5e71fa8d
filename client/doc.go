// Package client is the laptop's side around package owner: the account, the folder in which account and
// keyring are kept, and the choice of a link to a device: the LAN where the device answers there, else
// the account's server.
//
// It asks nobody and prints nothing; that is the work of the program.
package client
