package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp/form"
)

// Status is what a device says of itself.
type Status struct {
	Name     string // of the device, for people
	Version  string
	Uptime   time.Duration
	Owners   []string // their bare JIDs
	Account  string   // at a server, and where it comes from, in words
	Links    []LinkStatus
	Displays []string // in words, each with its spec string
	Buttons  []string // likewise
	Outputs  []string // likewise
	States   []Report // of commands
	Pairing  string   // in words: "closed", "open for 2m10s"
	Clock    time.Time
	ClockSet bool // false while it is behind the program's build date

	Memory     uint64 // that the program has from the system, in bytes
	Goroutines int
}

// LinkStatus is one way to the device.
type LinkStatus struct {
	Name  string // "c2s", "lan"
	Addr  string // its own address there; may be empty
	State string // in words: "connected", "waiting 20s: connection refused"
}

// Reporter tells the device's status.
type Reporter interface{ Status() Status }

// StatusCommand is the built-in command "status".
func StatusCommand(r Reporter) Command {
	return Command{
		Name: "status", Title: "Status of the device",
		Run: func(context.Context, Call) (Result, error) { return Result{Form: statusForm(r.Status())}, nil },
	}
}

func statusForm(s Status) *form.Form {
	clock := s.Clock.UTC().Format(time.RFC3339)
	if !s.ClockSet {
		clock += " (not set)"
	}
	links := make([]string, 0, len(s.Links))
	for _, l := range s.Links {
		links = append(links, strings.TrimSpace(l.Name+" "+l.Addr)+": "+l.State)
	}
	f := form.NewResult("Status")
	add := func(name, label string, values ...string) {
		for i, v := range values {
			values[i] = cleanLine(v)
		}
		if len(values) > 0 && values[0] != "" {
			f.Fields = append(f.Fields, form.Field{Var: name, Label: label, Type: form.TextMulti, Values: values})
		}
	}
	add("name", "Name", s.Name)
	add("version", "Version", s.Version)
	add("uptime", "Up for", s.Uptime.Truncate(time.Second).String())
	add("owners", "Owners", slices.Clone(s.Owners)...)
	add("account", "Account", s.Account)
	add("links", "Links", links...)
	add("displays", "Displays", slices.Clone(s.Displays)...)
	add("buttons", "Buttons", slices.Clone(s.Buttons)...)
	add("outputs", "Outputs", slices.Clone(s.Outputs)...)
	states := make([]string, 0, len(s.States))
	for _, r := range s.States {
		states = append(states, r.inWords())
	}
	add("states", "States", states...)
	add("pairing", "Pairing", s.Pairing)
	add("clock", "Clock", clock)
	add("memory", "Memory", fmt.Sprintf("%.1f MB, %d goroutines", float64(s.Memory)/1e6, s.Goroutines))
	return f
}

// Allow says who may try to pair in a window besides owners.
type Allow struct {
	Anyone bool
	JIDs   []jid.JID // bare
}

// Pairing opens pairing windows.
type Pairing interface {
	Open(ctx context.Context, by Actor, allow Allow) (Window, error)
}

// Window is a pairing window. It holds no PIN.
type Window struct {
	Lasts time.Duration
	PIN   string // where a person finds it, in words: "the PIN is on the device's display"
}

// anyone stands for everybody in the field allow. As a JID it would be a domain of that
// name, which no owner has.
const anyone = "anyone"

// PairCommand is the built-in command "pair".
func PairCommand(p Pairing) Command {
	return Command{
		Name: "pair", Title: "Let somebody pair with the device",
		Fields: []form.Field{{
			Var: "allow", Type: form.JIDMulti, Label: "Who may try: addresses, or anyone",
			Desc: "Bare addresses, like alice@example.org, or the word anyone. Without it, only owners can, once the device has one.",
		}},
		Run: func(ctx context.Context, c Call) (Result, error) {
			allow, err := parseAllow(c.Values["allow"])
			if err != nil {
				return Result{}, err
			}
			w, err := p.Open(ctx, c.Actor, allow)
			if err != nil {
				return Result{}, err
			}
			return Result{Output: fmt.Sprintf("pairing is open for %v: %s", w.Lasts.Round(time.Second), w.PIN)}, nil
		},
	}
}

// parseAllow reads the values of allow, which are addresses already.
func parseAllow(values []string) (Allow, error) {
	var a Allow
	for _, v := range values {
		j, err := jid.Parse(v)
		switch {
		case v == anyone:
			a.Anyone = true
		case err != nil || j.Localpart() == "" || j.Resourcepart() != "":
			return Allow{}, &form.FieldError{Field: "allow", Reason: "must hold addresses like alice@example.org, or the word anyone"}
		default:
			a.JIDs = append(a.JIDs, j)
		}
	}
	if a.Anyone && len(a.JIDs) > 0 {
		return Allow{}, &form.FieldError{Field: "allow", Reason: "must hold addresses or the word anyone, not both"}
	}
	return a, nil
}

// Owner is one owner of the device.
type Owner struct {
	JID         jid.JID // bare
	Fingerprint string  // lowercase hex of the certificate's SHA-256
	Role        string  // in words: "admin", "owner"
	Name        string  // for people; may be empty
}

// Owners lists and removes owners. Remove says no where the actor may not (DESIGN §4, roles); with an
// empty fingerprint it means all records of that address.
type Owners interface {
	List() []Owner
	Remove(ctx context.Context, by Actor, owner jid.JID, fingerprint string) error
}

// OwnersCommand is the built-in command "owners": it lists them, and removes one that is named.
func OwnersCommand(o Owners) Command {
	return Command{
		Name: "owners", Title: "Owners of the device",
		Fields: []form.Field{
			{Var: "remove", Type: form.JIDSingle, Label: "Remove this owner", Desc: "Leave it empty to list the owners."},
			{Var: "fingerprint", Type: form.TextSingle, Label: "Only the certificate with this fingerprint"},
		},
		Run: func(ctx context.Context, c Call) (Result, error) {
			if c.Values.Get("remove") == "" {
				if c.Values.Get("fingerprint") != "" {
					return Result{}, &form.FieldError{Field: "remove", Reason: "must be given with a fingerprint"}
				}
				return Result{Form: ownersForm(o.List())}, nil
			}
			return removeOwner(ctx, o, c)
		},
	}
}

func removeOwner(ctx context.Context, o Owners, c Call) (Result, error) {
	owner, err := jid.Parse(c.Values.Get("remove"))
	if err != nil || owner.Localpart() == "" {
		return Result{}, &form.FieldError{Field: "remove", Reason: "must be an address like alice@example.org"}
	}
	fingerprint := strings.ToLower(strings.ReplaceAll(c.Values.Get("fingerprint"), ":", ""))
	if fingerprint != "" && (len(fingerprint) != 64 || strings.Trim(fingerprint, "0123456789abcdef") != "") {
		return Result{}, &form.FieldError{Field: "fingerprint", Reason: "must be 64 hexadecimal digits"}
	}
	if err := o.Remove(ctx, c.Actor, owner.Bare(), fingerprint); err != nil {
		return Result{}, err
	}
	return Result{Output: owner.Bare().String() + " is no owner any more"}, nil
}

func ownersForm(owners []Owner) *form.Form {
	f := form.NewResult("Owners")
	f.Reported = []form.Field{
		{Var: "jid", Label: "Address"}, {Var: "role", Label: "Role"},
		{Var: "name", Label: "Name"}, {Var: "fingerprint", Label: "Fingerprint"},
	}
	for _, o := range owners {
		f.Items = append(f.Items, []form.Field{
			form.Text("jid", o.JID.String()), form.Text("role", o.Role),
			form.Text("name", cleanLine(o.Name)), form.Text("fingerprint", o.Fingerprint),
		})
	}
	return f
}

// ErrForbidden is for [Owners] and [Pairing] to return when the actor's role does not allow it.
var ErrForbidden = errors.New("only the admin, or whoever admitted that owner, may do this: ask the admin, or use the local command at the device")
