package pairing

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// enrolTimeout is how long the SRP session may last after the PIN was proven.
const enrolTimeout = 60 * time.Second

// maxAsked bounds the requests for the device's certificate that wait until the owner's is stored. One is enough.
const maxAsked = 4

// Store makes the peer's certificate durable, as provisional, before it returns.
type Store func(peer *x509.Certificate) error

// The exchange, over the SRP-secured stream only (jingle-xtls, Exchanging Certificates). The device asks
// first, so that it has stored the owner before the owner can believe to be paired:
//
//	device                                   owner
//	  get pubkeys ──▶
//	                     ◀── result: the owner's certificate
//	store provisional, synced
//	                     ◀── get pubkeys
//	  result: the device's certificate ──▶
//	                     ◀── end of the stream
//	                                         store provisional, synced

// AdmitOwner runs the device's side on link, which it closes: it asks for the owner's certificate, stores it,
// and only then gives its own; then it calls enrolled, once. It returns when the owner has ended the stream, or after a
// minute.
func AdmitOwner(ctx context.Context, link xmpp.Link, own []byte, store Store, enrolled func()) error {
	ctx, cancel := context.WithTimeout(ctx, enrolTimeout)
	defer cancel()
	stored, given := make(chan struct{}), make(chan struct{}, 1)
	s := xmpp.NewSession(link, nil)
	s.HandlePing()
	var answers sync.WaitGroup
	places := make(chan struct{}, maxAsked)
	onPubkeys(s, func(ctx context.Context, r *xmpp.Request) {
		select {
		case places <- struct{}{}:
		default:
			r.Fail(&xmpp.Error{Type: xmpp.Wait, Condition: xmpp.ResourceConstraint})
			return
		}
		answers.Go(func() { // answers may come later: this one waits for the disk
			defer func() { <-places }()
			select {
			case <-stored:
				r.Reply(Pubkeys(r.Payload[0].Name.Space, own))
				select {
				case given <- struct{}{}:
				default:
				}
			case <-ctx.Done():
			}
		})
	})
	served := serve(ctx, s)
	err := fetchCertificate(ctx, s, store)
	if err == nil {
		close(stored)
		err = untilGiven(ctx, given, served, &answers)
	}
	if err == nil {
		enrolled()
		<-served // the owner ends the stream; ctx bounds it
	}
	_ = s.Close()
	<-served
	answers.Wait()
	return err
}

// untilGiven waits until the owner has been given the device's certificate. Whoever has it may be gone before its answer has
// returned.
func untilGiven(ctx context.Context, given, served <-chan struct{}, answers *sync.WaitGroup) error {
	select {
	case <-given:
		return nil
	case <-served:
		answers.Wait()
	case <-ctx.Done():
	}
	select {
	case <-given: // it was the last that happened
		return nil
	default:
		return errors.New("pairing: the owner's program went away before it had the device's certificate")
	}
}

// AdoptDevice runs the owner's side on link, which it closes: it answers the device's
// request, then asks for the device's certificate and stores it. The stream ends meanwhile: the device has nothing more to give.
func AdoptDevice(ctx context.Context, link xmpp.Link, own []byte, store Store) error {
	ctx, cancel := context.WithTimeout(ctx, enrolTimeout)
	defer cancel()
	s := xmpp.NewSession(link, nil)
	s.HandlePing()
	AnswerPubkeys(s, own)
	served := serve(ctx, s)
	var ending sync.WaitGroup
	err := fetchCertificate(ctx, s, func(device *x509.Certificate) error {
		ending.Go(func() { _ = s.Close() })
		return store(device)
	})
	ending.Wait()
	_ = s.Close()
	<-served
	return err
}

// serve runs s; the channel is closed when it has ended.
func serve(ctx context.Context, s *xmpp.Session) <-chan struct{} {
	go func() { _ = s.Serve(ctx) }() // ends with s, which both callers close and wait for
	return s.Done()
}

// fetchCertificate asks the other end for its certificate and stores it.
func fetchCertificate(ctx context.Context, s *xmpp.Session, store Store) error {
	answer, err := s.Request(ctx, xmpp.Get, jid.JID{}, xmpp.NewElement(NSPubkeysTmp, "pubkeys"))
	if err != nil {
		return fmt.Errorf("pairing: asking for the certificate: %w", err)
	}
	if len(answer.Payload) != 1 {
		return ErrNoCertificate
	}
	cert, err := ParsePubkeys(answer.Payload[0])
	if err != nil {
		return err
	}
	if err := store(cert); err != nil {
		return fmt.Errorf("pairing: storing the certificate: %w", err)
	}
	return nil
}
