// Package client is the laptop's side around package owner: the account, the folder in which the keyring
// is kept, and the choice of a link to a device.
package client
