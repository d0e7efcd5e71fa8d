package trial

import (
	"context"
	"fmt"
	"strings"
	"time"

	"xtls-agent/hw/display"
)

// pictureLimit is how long a display may take for the test picture: paper in the cold takes the longest.
const pictureLimit = time.Minute

// Picture is a test picture on a display.
type Picture struct{ screens *display.Multi }

// Show shows the test picture on the display that a spec names, until Close. It returns when the picture is there. "none:" shows
// nothing, and never fails.
func (e Env) Show(ctx context.Context, spec string) (*Picture, error) {
	screens, err := display.OpenAll([]string{spec}, e.Display, nil)
	if err != nil {
		return nil, err
	}
	p := &Picture{screens}
	if err := p.show(ctx, spec); err != nil {
		_ = screens.Close()
		return nil, err
	}
	return p, nil
}

func (p *Picture) show(ctx context.Context, spec string) error {
	// A spec has no spaces to break it at.
	err := p.screens.Show(display.Screen{Title: "Test picture", Lines: []string{strings.Replace(spec, ":", ": ", 1)}, Test: true})
	if state := p.screens.States()[0]; err == nil || state.Tried {
		return state.Err
	}
	ctx, cancel := context.WithTimeout(ctx, pictureLimit)
	defer cancel()
	if p.screens.Await(ctx) {
		return nil
	}
	if state := p.screens.States()[0]; state.Err != nil {
		return state.Err
	}
	if ctx.Err() == context.DeadlineExceeded {
		return fmt.Errorf("the display did not show the test picture within %v", pictureLimit)
	}
	return context.Cause(ctx)
}

// Close clears the display.
func (p *Picture) Close() error { return p.screens.Close() }
