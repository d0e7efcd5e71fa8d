package agent

import (
	"encoding/json"
	"errors"
	"io/fs"
	"sync"

	"xtls-agent/trust"
	"xtls-agent/xmpp"
)

// newsFile is where what owners are still to be told is stored.
const newsFile = "news"

// maxNews bounds what is kept for one owner; the oldest goes.
const maxNews = 16

// news is what owners are still to be told: that there is a new one. Who has a session open is told
// at once, the others when they come the next time. It is kept best: a line that cannot be stored is lost, and
// pairing goes on.
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

// take returns what an owner is to be told, and forgets it.
func (n *news) take(k trust.Key) ([]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	all, err := n.load()
	lines := all[newsKey(k)]
	if err != nil || len(lines) == 0 {
		return nil, err
	}
	delete(all, newsKey(k))
	return lines, n.save(all)
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
	if err := json.Unmarshal(data, &all); err != nil {
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
		told := false
		l.sessions.of(r.Key(), func(s *xmpp.Session) { told = s.Post(headline(line)) == nil || told })
		if told {
			continue
		}
		if err := l.news.add(r.Key(), line); err != nil {
			l.log.Warn("an owner will not be told", "owner", r.JID.String(), "news", line, "err", err)
		}
	}
}

// tellLate queues what an owner missed, before anything else on a new session.
func (l *life) tellLate(s *xmpp.Session, k trust.Key) {
	lines, err := l.news.take(k)
	if err != nil {
		l.log.Warn("an owner is not told what he missed", "err", err)
	}
	for _, line := range lines {
		if err := s.Post(headline(line)); err != nil {
			l.log.Warn("an owner is not told what he missed", "news", line, "err", err)
		}
	}
}

func headline(line string) *xmpp.Stanza {
	return &xmpp.Stanza{Kind: xmpp.Message, Type: "headline", Payload: []*xmpp.Element{xmpp.NewText(xmpp.NSClient, "body", line)}}
}
