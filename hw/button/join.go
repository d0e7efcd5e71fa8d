package button

import (
	"errors"
	"sync"
)

// joined is several buttons as one.
type joined struct {
	*source
	specs   []string // as many as buttons
	buttons []Button
	wg      sync.WaitGroup
	once    sync.Once
	err     error // of Close
}

// joinedKeys is several buttons as one, where a PIN can be typed on some.
type joinedKeys struct {
	*joined
	*typist
	keys []Keys
}

// Join makes one button of several, which it owns from now on. If a PIN can be typed on one of them it is a [Keys].
func Join(buttons ...Button) Button { return join(make([]string, len(buttons)), buttons) }

func join(specs []string, buttons []Button) Button {
	j := &joined{source: newSource(), specs: specs, buttons: buttons}
	for _, b := range buttons {
		j.wg.Go(func() {
			for e := range b.Events() {
				j.put(e)
			}
		})
	}
	k := &joinedKeys{joined: j, typist: newTypist()}
	for _, b := range buttons {
		if keys, ok := b.(Keys); ok {
			k.keys = append(k.keys, keys)
			j.wg.Go(func() {
				for key := range keys.Typed() {
					k.take(key)
				}
			})
		}
	}
	if k.keys == nil {
		return j
	}
	return k
}

func (j *joined) states() (all []State) {
	for i, b := range j.buttons {
		all = append(all, stateOf(j.specs[i], b))
	}
	return all
}

// Close closes every button.
func (j *joined) Close() error {
	j.once.Do(func() {
		var errs []error
		for _, b := range j.buttons {
			errs = append(errs, b.Close())
		}
		j.wg.Wait()
		j.end()
		j.err = errors.Join(errs...)
	})
	return j.err
}

// Typing implements Keys.
func (k *joinedKeys) Typing(on bool) {
	k.typist.Typing(on)
	for _, keys := range k.keys {
		keys.Typing(on)
	}
}

// Close implements Button.
func (k *joinedKeys) Close() error {
	err := k.joined.Close()
	k.endTyping()
	return err
}
