package disco

import (
	"context"
	"slices"
	"sync"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// Node is what stands under one node of an entity.
type Node struct {
	Info  Info
	Items []Item
}

// Provider answers for nodes. It is called on a session's read goroutine and must not
// block; false means that it does not know the node, or that from may not know.
type Provider interface {
	DiscoNode(self, from jid.JID, node string) (Node, bool)
}

// Registry is what an entity tells about itself, on every session on which it is served.
type Registry struct {
	node string // of the capabilities: a URI of the program

	mu        sync.RWMutex // guards all below
	info      Info
	items     []Item
	providers []Provider
}

// NewRegistry returns a registry. The node is a URI of the program (XEP-0115 §4); the features of this
// package are added to info's.
func NewRegistry(node string, info Info) *Registry {
	r := &Registry{node: node, info: Info{Identities: info.Identities, Forms: info.Forms}}
	r.AddFeatures(append([]string{NSInfo, NSItems, NSCaps}, info.Features...)...)
	return r
}

// AddFeatures adds features that are not there yet. The capabilities change with it.
func (r *Registry) AddFeatures(features ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := append(slices.Clone(r.info.Features), features...)
	slices.Sort(list)
	r.info.Features = slices.Compact(list)
}

// AddItems adds items of the entity itself.
func (r *Registry) AddItems(items ...Item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.items = append(r.items, items...)
}

// Provide adds an answerer for nodes. The first one that knows a node answers.
func (r *Registry) Provide(p Provider) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.providers = append(r.providers, p)
}

// Info returns what the entity tells. Its slices must not be changed.
func (r *Registry) Info() Info {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.info
}

// Caps returns the capabilities to announce in presence. It fails if what the registry
// was given is ill-formed.
func (r *Registry) Caps() (Caps, error) {
	ver, err := r.Info().Ver()
	return Caps{r.node, ver}, err
}

// lookup finds what stands under a node: the entity itself, also under its capabilities'
// node, which has no items (XEP-0115 §6.2), or what a provider knows.
func (r *Registry) lookup(self, from jid.JID, node string) (Node, bool) {
	if caps, err := r.Caps(); err == nil && node == caps.QueryNode() {
		return Node{Info: r.Info()}, true
	}
	r.mu.RLock()
	providers, entity := slices.Clone(r.providers), Node{r.info, r.items}
	r.mu.RUnlock()
	if node == "" {
		return entity, true
	}
	for _, p := range providers {
		if n, ok := p.DiscoNode(self, from, node); ok {
			return n, true
		}
	}
	return Node{}, false
}

// Serve answers info and items requests on s.
func Serve(s *xmpp.Session, r *Registry) {
	answer := func(ns string, render func(string, Node) *xmpp.Element) {
		s.HandleIQ(xmpp.Get, ns, "query", func(_ context.Context, req *xmpp.Request) {
			node := req.Payload[0].Attr("node")
			n, ok := r.lookup(s.LocalAddr(), req.From, node)
			if !ok {
				req.Fail(&xmpp.Error{Type: xmpp.Cancel, Condition: xmpp.ItemNotFound})
				return
			}
			req.Reply(render(node, n))
		})
	}
	answer(NSInfo, func(node string, n Node) *xmpp.Element { return n.Info.element(node) })
	answer(NSItems, func(node string, n Node) *xmpp.Element { return itemsElement(node, n.Items) })
}
