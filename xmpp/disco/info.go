package disco

import (
	"context"
	"encoding/xml"
	"fmt"
	"slices"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/form"
)

// Identity says what kind of thing an entity is (XEP-0030 §3.1).
type Identity struct {
	Category, Type string
	Lang, Name     string // may be empty
}

// Info is what an entity, or a node of it, tells about itself.
type Info struct {
	Identities []Identity
	Features   []string
	Forms      []*form.Form // XEP-0128
}

// Item is one entry in a list of items (XEP-0030 §4).
type Item struct {
	JID  jid.JID
	Node string // may be empty
	Name string // for people; may be empty
}

// Has reports whether the feature is among the entity's.
func (i Info) Has(feature string) bool { return slices.Contains(i.Features, feature) }

// Query asks to for what it is, or for a node of it ("" for itself). An error answer
// is an *[xmpp.Error].
func Query(ctx context.Context, s *xmpp.Session, to jid.JID, node string) (Info, error) {
	el, err := ask(ctx, s, to, NSInfo, node)
	if err != nil {
		return Info{}, fmt.Errorf("disco: asking %s what it is: %w", to, err)
	}
	return parseInfo(el), nil
}

// QueryItems asks to for its items, or for those of a node.
func QueryItems(ctx context.Context, s *xmpp.Session, to jid.JID, node string) ([]Item, error) {
	el, err := ask(ctx, s, to, NSItems, node)
	if err != nil {
		return nil, fmt.Errorf("disco: asking %s for its items: %w", to, err)
	}
	return parseItems(el), nil
}

func ask(ctx context.Context, s *xmpp.Session, to jid.JID, ns, node string) (*xmpp.Element, error) {
	st, err := s.Request(ctx, xmpp.Get, to, xmpp.NewElement(ns, "query").With("node", node))
	if err != nil {
		return nil, err
	}
	el := st.Child(ns, "query")
	if el == nil {
		return nil, fmt.Errorf("the answer holds no <query/>")
	}
	return el, nil
}

// parseInfo reads leniently: what is not understood is left out.
func parseInfo(el *xmpp.Element) Info {
	var info Info
	for _, c := range el.Children() {
		switch {
		case c.Is(NSInfo, "identity"):
			id := Identity{Category: c.Attr("category"), Type: c.Attr("type"), Lang: lang(c), Name: c.Attr("name")}
			if id.Category != "" && id.Type != "" {
				info.Identities = append(info.Identities, id)
			}
		case c.Is(NSInfo, "feature"):
			if v := c.Attr("var"); v != "" {
				info.Features = append(info.Features, v)
			}
		case c.Is(form.NS, "x"):
			if f, err := form.Parse(c); err == nil {
				info.Forms = append(info.Forms, f)
			}
		}
	}
	return info
}

func parseItems(el *xmpp.Element) []Item {
	var out []Item
	for _, c := range el.ChildrenNamed(NSItems, "item") {
		j, err := jid.Parse(c.Attr("jid"))
		if err != nil {
			continue // an item without an address cannot be used
		}
		out = append(out, Item{JID: j, Node: c.Attr("node"), Name: c.Attr("name")})
	}
	return out
}

func (i Info) element(node string) *xmpp.Element {
	el := xmpp.NewElement(NSInfo, "query").With("node", node)
	for _, id := range i.Identities {
		c := xmpp.NewElement(NSInfo, "identity").With("category", id.Category).With("type", id.Type).With("name", id.Name)
		if id.Lang != "" {
			c.Attrs = append(c.Attrs, xml.Attr{Name: xml.Name{Space: xmpp.NSXML, Local: "lang"}, Value: id.Lang})
		}
		el.Add(c)
	}
	for _, f := range i.Features {
		el.Add(xmpp.NewElement(NSInfo, "feature").With("var", f))
	}
	for _, f := range i.Forms {
		el.Add(f.Element())
	}
	return el
}

func itemsElement(node string, items []Item) *xmpp.Element {
	el := xmpp.NewElement(NSItems, "query").With("node", node)
	for _, i := range items {
		el.Add(xmpp.NewElement(NSItems, "item").With("jid", i.JID.String()).With("node", i.Node).With("name", i.Name))
	}
	return el
}

func lang(el *xmpp.Element) string {
	for _, a := range el.Attrs {
		if a.Name.Space == xmpp.NSXML && a.Name.Local == "lang" {
			return a.Value
		}
	}
	return ""
}
