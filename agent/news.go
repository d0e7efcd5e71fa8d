package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/disco"
)

// newsFile is where what owners are still to be told is stored.
const newsFile = "news"

// maxNews bounds what is kept for one owner; the oldest goes.
const maxNews = 16

// news is what owners are still to be told: that there is a new one. A line is forgotten when an answer has come over the
// session on which it was told: a server could cut the connection just before. A line that cannot be stored is
// told to whoever has a session open, and pairing goes on.
type news struct {
	store trust.Store
	mu    sync.Mutex // makes reading, changing and writing one step
}

func newsKey(k trust.Key) string { return k.JID.String() + " " + k.Fingerprint.String() }

// add keeps a line for an owner.
func (n *news) add(k trust.Key, line string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	all, err := n.load()
	if err != nil {
		return err
	}
	lines := append(all[newsKey(k)], line)
	all[newsKey(k)] = lines[max(0, len(lines)-maxNews):]
	return n.save(all)
}

// of returns what an owner is to be told.
func (n *news) of(k trust.Key) ([]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	all, err := n.load()
	return all[newsKey(k)], err
}

// forget removes lines that an owner has been told.
func (n *news) forget(k trust.Key, told []string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	all, err := n.load()
	if err != nil {
		return err
	}
	left := slices.DeleteFunc(all[newsKey(k)], func(line string) bool { return slices.Contains(told, line) })
	if all[newsKey(k)] = left; len(left) == 0 {
		delete(all, newsKey(k))
	}
	return n.save(all)
}

func (n *news) load() (map[string][]string, error) {
	all := make(map[string][]string)
	data, err := n.store.Read(newsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &all); err != nil || all == nil { // of "null" comes no map
		return make(map[string][]string), nil // not worth a locked device
	}
	return all, nil
}

func (n *news) save(all map[string][]string) error {
	if len(all) == 0 {
		return n.store.Remove(newsFile)
	}
	data, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return n.store.Write(newsFile, data)
}

// tellOwners tells every confirmed owner but one.
func (l *life) tellOwners(except trust.Key, line string) {
	for _, r := range l.confirmedOwners() {
		if r.Key().Equal(except) {
			continue
		}
		if err := l.news.add(r.Key(), line); err != nil {
			l.log.Warn("news are told only to who is there", "owner", r.JID.String(), "news", line, "err", err)
			l.sessions.of(r.Key(), func(s *xmpp.Session, _ chan<- struct{}) { _ = s.Post(headline(line)) })
			continue
		}
		l.sessions.of(r.Key(), func(_ *xmpp.Session, nudge chan<- struct{}) {
			select {
			case nudge <- struct{}{}:
			default: // it is about to look
			}
		})
	}
}

// How an owner's session is watched. A phone that left its network says nothing: its session would keep one of the
// few places that an address has.
const (
	aliveInterval = 2 * time.Minute
	aliveTimeout  = time.Minute
)

// accompany tells an owner his news, and ends the session when nobody answers there any more. It returns
// when the session has ended. told is what was told on it before.
func (l *life) accompany(s *xmpp.Session, k trust.Key, nudge <-chan struct{}, told map[string]bool) {
	for alive := true; alive; {
		if lines := l.tell(s, k, told); len(lines) > 0 {
			if !answers(s, xmpp.NewElement(disco.NSInfo, "query")) { // a ping would overtake the news
				break
			}
			l.forgetNews(k, lines)
		}
		select {
		case <-s.Done():
			return
		case <-nudge:
		case <-time.After(aliveInterval):
			alive = answers(s, xmpp.NewElement(xmpp.NSPing, "ping"))
		}
	}
	_ = s.Close()
	<-s.Done()
}

func (l *life) forgetNews(k trust.Key, lines []string) {
	if err := l.news.forget(k, lines); err != nil {
		l.log.Warn("an owner will be told again", "err", err)
	}
}

// answers reports whether the other end answers what was asked, if only by an error.
func answers(s *xmpp.Session, question *xmpp.Element) bool {
	ctx, cancel := context.WithTimeout(context.Background(), aliveTimeout)
	defer cancel()
	_, err := s.Request(ctx, xmpp.Get, jid.JID{}, question)
	var refused *xmpp.Error
	return err == nil || errors.As(err, &refused)
}

// tell sends what the owner has not been told on this session, and returns what is to be forgotten once he has answered.
func (l *life) tell(s *xmpp.Session, k trust.Key, told map[string]bool) []string {
	lines, err := l.news.of(k)
	if err != nil {
		l.log.Warn("an owner is not told what he missed", "err", err)
		return nil
	}
	for _, line := range lines {
		if told[line] {
			continue
		}
		if err := s.Post(headline(line)); err != nil {
			return nil // the next session
		}
		told[line] = true
	}
	return lines
}

func headline(line string) *xmpp.Stanza {
	return &xmpp.Stanza{Kind: xmpp.Message, Type: "headline", Payload: []*xmpp.Element{xmpp.NewText(xmpp.NSClient, "body", line)}}
}
