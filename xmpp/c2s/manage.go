package c2s

import (
	"context"

	"xtls-agent/xmpp"
)

// offersSM reports whether the server can manage the stream.
func (n *negotiation) offersSM() bool { return n.features.Child(nsSM, "sm") != nil }

// reclaim asks for the former stream in the classic way (XEP-0198 §5), which is before a resource is bound.
func (n *negotiation) reclaim(ctx context.Context) error {
	if n.claim == nil || n.bound.verdict != nil || !n.offersSM() {
		return nil
	}
	return n.within(ctx, "resuming the stream", func() error {
		if err := n.framer.WriteElement(n.claim.element()); err != nil {
			return err
		}
		answer, err := n.framer.ReadElement()
		if err != nil {
			return err
		}
		n.bound.verdict, err = n.claim.judge(answer)
		return err
	})
}

// manage has the server manage the stream. One that will not goes without.
func (n *negotiation) manage(ctx context.Context) error {
	if !n.offersSM() {
		n.unmanaged()
		return nil
	}
	return n.within(ctx, "enabling stream management", func() error {
		if err := n.framer.WriteElement(enableElement(n.offers().inline.Instant)); err != nil {
			return err
		}
		for {
			answer, err := n.framer.ReadElement()
			if err != nil {
				return err
			}
			switch {
			case answer.Is(nsSM, "enabled"), answer.Is(nsSM, "failed"):
				n.enabled(answer, n.offers().inline)
				return nil
			case !isStanza(answer), len(n.bound.early) == maxEarly:
				return unexpected("got <%.40s/> for an answer to <enable/>", answer.Name.Local)
			}
			if st, err := xmpp.ParseStanza(answer); err == nil {
				n.bound.early = append(n.bound.early, st)
			}
		}
	})
}

// maxEarly is how many stanzas may come before the server counts them.
const maxEarly = 16

// enabled takes the server's answer to an <enable/>, which was asked for by what the server takes inline.
func (n *negotiation) enabled(answer *xmpp.Element, in inline) {
	if answer.Is(nsSM, "enabled") {
		from := n.raw.RemoteAddr()
		n.bound.terms = parseTerms(answer, from)
		n.bound.terms.instant = parseInstant(answer.Child(nsISR, "isr-enabled"), in.Instant, in, from)
		return
	}
	n.unmanaged()
}

// unmanaged says that the server has no XEP-0198, or none for us.
func (n *negotiation) unmanaged() {
	n.cfg.Log.Warn("the server does not manage the stream: what is under way when the connection is lost is lost with it")
}
