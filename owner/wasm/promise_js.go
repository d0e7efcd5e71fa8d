package main

import (
	"context"
	"errors"
	"fmt"
	"syscall/js"
)

// promise returns a Promise of what f returns. f runs on a goroutine of its own, so it may wait for other
// promises, which a function that JavaScript calls must not: it would stand in the way of its own event loop.
func promise(f func() (js.Value, error)) js.Value {
	executor := js.FuncOf(func(_ js.Value, args []js.Value) any {
		resolve, reject := args[0], args[1]
		go func() {
			v, err := f()
			if err != nil {
				reject.Invoke(errorValue(err))
				return
			}
			resolve.Invoke(v)
		}()
		return nil
	})
	defer executor.Release() // the constructor has called it when it returns
	return js.Global().Get("Promise").New(executor)
}

// errStopped is returned by await when stop came first.
var errStopped = errors.New("stopped")

// settled is how a promise ended.
type settled struct {
	value js.Value
	err   error
}

// await returns what v, if it is a promise, comes to, or errStopped. It must not run on the event loop's goroutine.
func await(stop <-chan struct{}, v js.Value) (js.Value, error) {
	done := make(chan settled, 1)
	var fulfilled, rejected js.Func
	settle := func(s settled) {
		fulfilled.Release() // not earlier: the promise may settle after we have gone
		rejected.Release()
		done <- s
	}
	fulfilled = js.FuncOf(func(_ js.Value, args []js.Value) any {
		settle(settled{value: args[0]})
		return nil
	})
	rejected = js.FuncOf(func(_ js.Value, args []js.Value) any {
		settle(settled{err: thrown{args[0]}})
		return nil
	})
	js.Global().Get("Promise").Call("resolve", v).Call("then", fulfilled, rejected)
	select {
	case s := <-done:
		return s.value, s.err
	case <-stop:
		return js.Undefined(), errStopped
	}
}

// ask calls a method of a JavaScript object and waits for its answer.
func ask(stop <-chan struct{}, object js.Value, method string, args ...any) (js.Value, error) {
	v, err := attempt(func() js.Value { return object.Call(method, args...) })
	if err != nil {
		return js.Undefined(), err
	}
	return await(stop, v)
}

// askFunc calls a JavaScript function and waits for its answer, or for ctx.
func askFunc(ctx context.Context, function js.Value, args ...any) (js.Value, error) {
	v, err := attempt(func() js.Value { return function.Invoke(args...) })
	if err != nil {
		return js.Undefined(), err
	}
	v, err = await(ctx.Done(), v)
	if errors.Is(err, errStopped) {
		err = ctx.Err()
	}
	return v, err
}

// attempt turns an exception into an error: syscall/js panics with it.
func attempt(f func() js.Value) (v js.Value, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case js.Error:
			err = thrown{r.Value}
		default:
			panic(r)
		}
	}()
	return f(), nil
}

// thrown is what JavaScript threw, or rejected a promise with.
type thrown struct{ value js.Value }

func (t thrown) Error() string {
	if t.value.Type() == js.TypeObject {
		if text := t.value.Get("message"); text.Type() == js.TypeString {
			return fmt.Sprintf("%.200q", text.String())
		}
	}
	if t.value.Type() == js.TypeString {
		return fmt.Sprintf("%.200q", t.value.String())
	}
	return "an exception"
}

// absent reports whether v is null or undefined.
func absent(v js.Value) bool { return v.IsNull() || v.IsUndefined() }

// needMethods fails with the first method that object does not have: a mistake is told when it is made, not
// in the middle of a pairing.
func needMethods(what string, object js.Value, methods ...string) error {
	if object.Type() != js.TypeObject {
		return usageError(what + " must be an object")
	}
	for _, m := range methods {
		if object.Get(m).Type() != js.TypeFunction {
			return usageError(fmt.Sprintf("%s has no method %s()", what, m))
		}
	}
	return nil
}
