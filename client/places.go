package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"mellium.im/xmpp/jid"
)

// placesFile is the name under which is kept what helps to reach a device. Nothing in it is
// trusted; without it everything works, with more typing.
const placesFile = "places"

// place is what is remembered of a device besides its certificate.
type place struct {
	Addr      string   `json:"addr,omitempty"`       // on the LAN, host:port
	As        string   `json:"as,omitempty"`         // the own JID that the device knows
	Commands  []string `json:"commands,omitempty"`   // for completion
	WrongPINs int      `json:"wrong_pins,omitempty"` // since the last success
}

// places are by the device's bare JID.
type places map[string]place

func loadPlaces(f *folder) (places, error) {
	data, err := f.Read(placesFile)
	if errors.Is(err, fs.ErrNotExist) {
		return places{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	p := places{}
	if err := json.Unmarshal(data, &p); err != nil || p == nil { // of "null" comes no map
		return places{}, nil // of no great worth, and written anew
	}
	return p, nil
}

// updatePlace changes what is remembered under key; nothing is written if that changes nothing.
func (c *Client) updatePlace(key string, change func(*place)) error {
	release, err := c.folder.Hold()
	if err != nil {
		return err
	}
	defer release()
	all, err := loadPlaces(c.folder)
	if err != nil {
		return err
	}
	before, _ := json.Marshal(all) // of strings and numbers: it cannot fail
	p := all[key]
	change(&p)
	all[key] = p
	if p.Addr == "" && p.As == "" && p.Commands == nil && p.WrongPINs == 0 {
		delete(all, key)
	}
	after, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	c.setPlaces(all)
	if string(before) == string(after) {
		return nil
	}
	return c.folder.Write(placesFile, after)
}

// known returns what is remembered of all. A map that was set is not changed any more.
func (c *Client) known() places {
	c.placesMu.Lock()
	defer c.placesMu.Unlock()
	return c.places
}

func (c *Client) setPlaces(p places) {
	c.placesMu.Lock()
	defer c.placesMu.Unlock()
	c.places = p
}

// placeOf returns what is remembered of the device with a JID.
func (c *Client) placeOf(j jid.JID) place { return c.known()[j.Bare().String()] }

// at returns what is remembered of the device at an address.
func (c *Client) at(addr string) place {
	for _, p := range c.known() {
		if p.Addr == addr && p.As != "" {
			return p
		}
	}
	return place{}
}
