package disco

import (
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/form"
)

// Caps is the capabilities element of a presence (XEP-0115 §4).
type Caps struct{ Node, Ver string }

// hashName is the only hash that is used: SHA-1, mandatory in XEP-0115 §7. It names a set of
// features; nothing secret or trusted hangs on it.
const hashName = "sha-1"

// Element returns <c/> for a presence.
func (c Caps) Element() *xmpp.Element {
	return xmpp.NewElement(NSCaps, "c").With("hash", hashName).With("node", c.Node).With("ver", c.Ver)
}

// ParseCaps reads the capabilities of a presence. It reports false where there are none, or
// none whose hash can be verified (XEP-0115 §5.4).
func ParseCaps(st *xmpp.Stanza) (Caps, bool) {
	el := st.Child(NSCaps, "c")
	c := Caps{el.Attr("node"), el.Attr("ver")}
	return c, el.Attr("hash") == hashName && c.Node != "" && c.Ver != ""
}

// QueryNode is the node to ask for what c stands for (XEP-0115 §6.2).
func (c Caps) QueryNode() string { return c.Node + "#" + c.Ver }

// Verify reports whether info is what c announced. An ill-formed info never is.
func (c Caps) Verify(info Info) bool {
	ver, err := info.Ver()
	return err == nil && ver == c.Ver
}

var errIllFormed = errors.New("disco: info is ill-formed (XEP-0115 §5.4)")

// Ver returns the verification string (XEP-0115 §5.1). It fails on what §5.4 calls
// ill-formed, and on a part that holds '<', the separator: with it two different infos
// could have the same string.
func (i Info) Ver() (string, error) {
	var parts []string
	for _, id := range i.sortedIdentities() {
		parts = append(parts, id.Category+"/"+id.Type+"/"+id.Lang+"/"+id.Name)
	}
	features := slices.Sorted(slices.Values(i.Features))
	if hasDoubles(parts) || hasDoubles(features) {
		return "", errIllFormed
	}
	parts = append(parts, features...)
	forms, err := capsForms(i.Forms)
	if err != nil {
		return "", err
	}
	for _, f := range forms {
		parts = append(parts, capsForm(f)...)
	}
	h := sha1.New()
	for _, p := range parts {
		if strings.Contains(p, "<") {
			return "", errIllFormed
		}
		h.Write([]byte(p + "<"))
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil)), nil
}

func (i Info) sortedIdentities() []Identity {
	out := slices.Clone(i.Identities)
	slices.SortFunc(out, func(a, b Identity) int {
		return slices.Compare([]string{a.Category, a.Type, a.Lang, a.Name}, []string{b.Category, b.Type, b.Lang, b.Name})
	})
	return out
}

// capsForms returns the forms that count, by FORM_TYPE: one without it, or where it is not
// hidden, is ignored; the same one twice, or with two values, is ill-formed (XEP-0115 §5.4).
func capsForms(list []*form.Form) ([]*form.Form, error) {
	var out []*form.Form
	for _, f := range list {
		if f.About() == "" {
			continue
		}
		if len(f.Field("FORM_TYPE").Values) > 1 {
			return nil, errIllFormed
		}
		for _, other := range out {
			if other.About() == f.About() {
				return nil, errIllFormed
			}
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b *form.Form) int { return strings.Compare(a.About(), b.About()) })
	return out, nil
}

func capsForm(f *form.Form) []string {
	parts := []string{f.About()}
	fields := slices.Clone(f.Fields)
	slices.SortFunc(fields, func(a, b form.Field) int { return strings.Compare(a.Var, b.Var) })
	for _, field := range fields {
		if field.Var == "FORM_TYPE" {
			continue
		}
		parts = append(parts, field.Var)
		parts = append(parts, slices.Sorted(slices.Values(field.Values))...)
	}
	return parts
}

// hasDoubles expects a sorted list.
func hasDoubles(list []string) bool {
	return len(slices.Compact(slices.Clone(list))) != len(list)
}
