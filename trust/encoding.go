package trust

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"mellium.im/xmpp/jid"
)

// peersVersion is the version of the file that holds a set of peers.
const peersVersion = 1

type fileJSON struct {
	Version int          `json:"version"`
	Set     Set          `json:"set"`
	Peers   []recordJSON `json:"peers"`
}

type recordJSON struct {
	JID          string    `json:"jid"`
	Fingerprint  string    `json:"fingerprint"`
	Certificate  []byte    `json:"certificate"`
	Name         string    `json:"name"`
	State        State     `json:"state"`
	Role         Role      `json:"role,omitempty"`
	AddedBy      *keyJSON  `json:"added_by,omitempty"`
	Created      time.Time `json:"created"`
	Link         Link      `json:"link"`
	ServerProven bool      `json:"server_proven"`
}

type keyJSON struct {
	JID         string `json:"jid"`
	Fingerprint string `json:"fingerprint"`
}

func (s peerSet) marshal() ([]byte, error) {
	file := fileJSON{Version: peersVersion, Set: s.of, Peers: []recordJSON{}}
	for _, r := range s.records {
		j := recordJSON{
			JID: r.JID.String(), Fingerprint: r.Fingerprint.String(), Certificate: r.DER,
			Name: r.Name, State: r.State, Role: r.Role, Created: r.Created, Link: r.Link, ServerProven: r.ServerProven,
		}
		if !r.AddedBy.IsZero() {
			j.AddedBy = &keyJSON{r.AddedBy.JID.String(), r.AddedBy.Fingerprint.String()}
		}
		file.Peers = append(file.Peers, j)
	}
	b, err := json.MarshalIndent(file, "", "\t")
	if err != nil {
		return nil, fmt.Errorf("trust: encoding %s: %w", s.of, err)
	}
	return append(b, '\n'), nil
}

// unmarshalSet is the reverse of marshal. It accepts nothing that marshal would not
// have written: what is odd is damaged, and damaged means locked.
func unmarshalSet(b []byte, of Set) (peerSet, error) {
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(b, &version); err != nil {
		return peerSet{}, fmt.Errorf("not JSON: %w", err)
	}
	if version.Version != peersVersion {
		return peerSet{}, fmt.Errorf("version %d, but this program knows version %d only; use the program that wrote it",
			version.Version, peersVersion)
	}
	var file fileJSON
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return peerSet{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return peerSet{}, errors.New("something follows the records")
	}
	if file.Set != of {
		return peerSet{}, fmt.Errorf("records of %q, not of %q", file.Set, of)
	}
	s := peerSet{of: of}
	for i, j := range file.Peers {
		r, err := j.record()
		if err != nil {
			return peerSet{}, fmt.Errorf("record %d: %w", i, err)
		}
		if s.index(r.Key()) >= 0 {
			return peerSet{}, fmt.Errorf("record %d: the same peer twice", i)
		}
		s.records = append(s.records, r)
	}
	return s, s.validate()
}

func (j recordJSON) record() (Record, error) {
	key, err := keyJSON{j.JID, j.Fingerprint}.key()
	if err != nil {
		return Record{}, err
	}
	if _, err := CheckCertificate(j.Certificate); err != nil {
		return Record{}, err
	}
	if FingerprintOf(j.Certificate) != key.Fingerprint {
		return Record{}, errors.New("fingerprint and certificate differ")
	}
	if j.Name != CleanName(j.Name) {
		return Record{}, errors.New("name with characters that have no place in it")
	}
	if j.Link != LAN && j.Link != Server {
		return Record{}, fmt.Errorf("unknown link %q", j.Link)
	}
	r := Record{
		JID: key.JID, Fingerprint: key.Fingerprint, DER: j.Certificate, Name: j.Name, State: j.State,
		Role: j.Role, Created: j.Created, Link: j.Link, ServerProven: j.ServerProven,
	}
	if j.AddedBy != nil {
		if r.AddedBy, err = j.AddedBy.key(); err != nil {
			return Record{}, fmt.Errorf("added_by: %w", err)
		}
	}
	return r, nil
}

func (j keyJSON) key() (Key, error) {
	address, err := jid.Parse(j.JID)
	if err != nil {
		return Key{}, fmt.Errorf("bad JID: %w", err)
	}
	if address.String() != j.JID || !address.Equal(address.Bare()) {
		return Key{}, errors.New("JID is not a bare one in canonical form")
	}
	f, err := ParseFingerprint(j.Fingerprint)
	if err != nil {
		return Key{}, err
	}
	return Key{address, f}, nil
}

// validate checks what peerSet promises of its order, roles and bounds.
func (s peerSet) validate() error {
	n := s.confirmed()
	if n > MaxConfirmed || len(s.records)-n > MaxProvisional {
		return errors.New("too many records")
	}
	for i, r := range s.records {
		role := s.role(1)
		if i < n {
			role = s.role(i)
		}
		switch {
		case r.State != Confirmed && r.State != Provisional:
			return fmt.Errorf("record %d: unknown state %q", i, r.State)
		case i >= n && r.State != Provisional:
			return fmt.Errorf("record %d: out of order", i)
		case r.Role != role:
			return fmt.Errorf("record %d: role %q where %q belongs", i, r.Role, role)
		case !r.AddedBy.IsZero() && !slices.ContainsFunc(s.records[:min(i, n)], func(o Record) bool { return o.Key().Equal(r.AddedBy) }):
			// One is confirmed before those whom it admits: there are no circles.
			return fmt.Errorf("record %d: admitted by no owner before it", i)
		case r.State == Provisional && r.ServerProven:
			return fmt.Errorf("record %d: proven and yet provisional", i)
		}
	}
	return nil
}
