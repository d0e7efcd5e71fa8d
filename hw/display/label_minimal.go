//go:build minimal

package display

import "errors"

// Label is left out of this build.
type Label struct{ Name, Address, PIN, URI string }

var errNoLabel = errors.New("this build draws no labels: it was made with the tag minimal")

// PNG says that it is left out.
func (Label) PNG() ([]byte, error) { return nil, errNoLabel }

// PDF says that it is left out.
func (Label) PDF() ([]byte, error) { return nil, errNoLabel }
