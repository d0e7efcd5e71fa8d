package button

import (
	"errors"
	"sync"
)

// joined is several buttons as one.
type joined struct {
	*source
	buttons []Button
	wg      sync.WaitGroup
	once    sync.Once
	err     error // of Close
}

// Join makes one button of several, which it owns from now on.
func Join(buttons ...Button) Button {
	j := &joined{source: newSource(), buttons: buttons}
	for _, b := range buttons {
		j.wg.Go(func() {
			for e := range b.Events() {
				j.put(e)
			}
		})
	}
	return j
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
