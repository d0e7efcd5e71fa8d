package main

import (
	"context"
	"sync"
	"syscall/js"
)

// program is what JavaScript has made here. Owners and sessions are known to it by number: a class of
// owner.mjs holds the number of each, and calls the functions of the program with it.
type program struct {
	ended chan struct{}
	end   sync.Once

	mu       sync.Mutex // guards what follows
	owners   map[int]*ownerHandle
	sessions map[int]*sessionHandle
	last     int
}

func newProgram() *program {
	return &program{
		ended: make(chan struct{}), owners: make(map[int]*ownerHandle), sessions: make(map[int]*sessionHandle),
	}
}

// functions is what owner.mjs gets. All but end return promises.
func (p *program) functions() js.Value {
	out := js.Global().Get("Object").New()
	leftOut := make([]js.Value, 4) // undefined, for as many arguments as any of them takes
	export := func(name string, f func(args []js.Value) (js.Value, error)) {
		out.Set(name, js.FuncOf(func(_ js.Value, args []js.Value) any {
			args = append(args, leftOut...)
			return promise(func() (js.Value, error) { return f(args) })
		}))
	}
	export("newOwner", func(a []js.Value) (js.Value, error) { return p.newOwner(a[0]) })
	for name, f := range map[string]func(*ownerHandle, js.Value) (js.Value, error){
		"pair": p.pair, "open": p.open, "devices": p.devices, "forget": p.forget, "closeOwner": p.closeOwner,
	} {
		export(name, func(a []js.Value) (js.Value, error) {
			o, err := p.owner(a[0])
			if err != nil {
				return js.Undefined(), err
			}
			return f(o, a[1])
		})
	}
	for name, f := range map[string]func(*sessionHandle, []js.Value) (js.Value, error){
		"commands": p.commands, "call": p.call, "watch": p.watch, "waitSession": p.waitSession, "closeSession": p.closeSession,
	} {
		export(name, func(a []js.Value) (js.Value, error) {
			s, err := p.session(a[0])
			if err != nil {
				return js.Undefined(), err
			}
			return f(s, a[1:])
		})
	}
	out.Set("end", js.FuncOf(func(js.Value, []js.Value) any {
		p.end.Do(func() { close(p.ended) })
		return nil
	}))
	return out
}

// add gives a thing its number. Of a table it keeps what was not closed.
func add[T any](p *program, table map[int]T, thing T) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	table[p.last] = thing
	return p.last
}

func get[T any](p *program, table map[int]T, number js.Value) (T, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var thing T
	ok := false
	if number.Type() == js.TypeNumber {
		thing, ok = table[number.Int()]
	}
	if !ok {
		return thing, errClosed
	}
	return thing, nil
}

func remove[T any](p *program, table map[int]T, number int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(table, number)
}

func (p *program) owner(number js.Value) (*ownerHandle, error) { return get(p, p.owners, number) }

func (p *program) session(number js.Value) (*sessionHandle, error) {
	return get(p, p.sessions, number)
}

// cancelled derives a context that ends with signal, an AbortSignal or nothing. done frees what it took.
func cancelled(parent context.Context, signal js.Value) (ctx context.Context, done func(), err error) {
	ctx, cancel := context.WithCancel(parent)
	if absent(signal) {
		return ctx, cancel, nil
	}
	if signal.Type() != js.TypeObject || signal.Get("addEventListener").Type() != js.TypeFunction {
		cancel()
		return nil, nil, usageError("signal must be an AbortSignal")
	}
	if signal.Get("aborted").Truthy() { // nothing has begun
		cancel()
		return nil, nil, context.Canceled
	}
	abort := js.FuncOf(func(js.Value, []js.Value) any {
		cancel()
		return nil
	})
	signal.Call("addEventListener", "abort", abort)
	return ctx, func() {
		signal.Call("removeEventListener", "abort", abort)
		abort.Release()
		cancel()
	}, nil
}
