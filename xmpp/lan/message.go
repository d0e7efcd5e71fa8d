package lan

import (
	"encoding/binary"
	"errors"

	"github.com/miekg/dns"
)

// Sizes of RFC 1035 §4.1: the message's header, a question after its name, a record after its name.
const (
	headerSize         = 12
	questionSize       = 4
	recordSize         = 10
	maxRecords         = 256
	recordLengthOffset = 8
)

var errMessage = errors.New("lan: malformed DNS message")

// parseMessage reads a message of multicast DNS. The library's own parser refuses a message for any record in it; python-zeroconf
// sends NSEC records that are empty, so here only the records that are used are read at all.
func parseMessage(b []byte) (*dns.Msg, error) {
	if len(b) < headerSize {
		return nil, errMessage
	}
	word := func(i int) uint16 { return binary.BigEndian.Uint16(b[i:]) }
	m := new(dns.Msg)
	m.Id = word(0)
	m.Response, m.Opcode = b[2]&0x80 != 0, int(b[2]>>3&0xF)
	off := headerSize
	for range word(4) {
		name, next, err := dns.UnpackDomainName(b, off)
		if err != nil || len(b)-next < questionSize || len(m.Question) >= maxQuestions {
			return nil, errMessage
		}
		m.Question = append(m.Question, dns.Question{Name: name, Qtype: word(next), Qclass: word(next + 2)})
		off = next + questionSize
	}
	sections := []*[]dns.RR{&m.Answer, &m.Ns, &m.Extra}
	for i, section := range sections {
		count := word(6 + 2*i)
		if count > maxRecords {
			return nil, errMessage
		}
		for range count {
			rr, next, err := parseRecord(b, off)
			if err != nil {
				return nil, err
			}
			if rr != nil {
				*section = append(*section, rr)
			}
			off = next
		}
	}
	return m, nil
}

// parseRecord reads the record at off, and where the next one is. A record of a kind that is not used is nil.
func parseRecord(b []byte, off int) (dns.RR, int, error) {
	_, at, err := dns.UnpackDomainName(b, off)
	if err != nil || len(b)-at < recordSize {
		return nil, 0, errMessage
	}
	next := at + recordSize + int(binary.BigEndian.Uint16(b[at+recordLengthOffset:]))
	if next > len(b) {
		return nil, 0, errMessage
	}
	switch binary.BigEndian.Uint16(b[at:]) {
	case dns.TypePTR, dns.TypeSRV, dns.TypeTXT, dns.TypeA, dns.TypeAAAA:
		rr, end, err := dns.UnpackRR(b[:next], off)
		if err != nil || end != next {
			return nil, 0, errMessage
		}
		return rr, next, nil
	}
	return nil, next, nil
}
