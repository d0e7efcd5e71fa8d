package journal

// expire forgets calls that nobody repeats any more.
func (j *Journal) expire() {
	before := j.now().Add(-2 * Keep)
	kept := j.order[:0]
	for _, key := range j.order {
		if e := j.calls[key]; e.stage == running || e.ended.After(before) {
			kept = append(kept, key)
		} else {
			j.drop(key)
		}
	}
	j.order = kept
}

// makeRoom makes room for one more call: the one that came first of those that have ended is forgotten, and with it what may have come
// before.
func (j *Journal) makeRoom() error {
	if len(j.order) < maxCalls {
		return nil
	}
	for i, key := range j.order {
		if e := j.calls[key]; e.stage != running {
			if e.begun.After(j.since) {
				j.since = e.begun
			}
			j.drop(key)
			j.order = append(j.order[:i], j.order[i+1:]...)
			return nil
		}
	}
	return ErrNotStored
}

// shed lets go of the oldest answers, until the rest has room.
func (j *Journal) shed() {
	for _, key := range j.order {
		if j.answers <= maxAnswers {
			return
		}
		if e := j.calls[key]; len(e.answer) > 0 {
			j.answers -= len(e.answer)
			e.answer, e.gone = nil, true
		}
	}
}

// drop takes a call out of the map; the caller takes it out of the order.
func (j *Journal) drop(key Key) {
	j.answers -= len(j.calls[key].answer)
	delete(j.calls, key)
}
