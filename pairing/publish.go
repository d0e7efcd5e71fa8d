package pairing

import (
	"context"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/pubsub"
)

// maxPublished is how many certificates an account's node keeps: those of its other clients stay.
const maxPublished = 20

// Publish puts the own certificate on the account's PubSub node, readable by who may see its
// presence (XEP-0189 §3). Nothing is ever trusted because it stands there, and an account without such
// nodes is no error.
func Publish(ctx context.Context, s *xmpp.Session, der []byte) (pubsub.Outcome, error) {
	return pubsub.Publish(ctx, s, NSPubkeys,
		pubsub.Item{ID: ItemID(der), Payload: Keyinfo(der)},
		pubsub.Config{Access: pubsub.AccessPresence, MaxItems: maxPublished})
}
