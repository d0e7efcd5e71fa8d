package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall/js"
	"time"

	"xtls-agent/owner"
)

// value is v in JavaScript, by way of JSON.
func value(v any) (js.Value, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return js.Undefined(), fmt.Errorf("wasm: %w", err)
	}
	return js.Global().Get("JSON").Call("parse", string(b)), nil
}

// deviceValue is what is known of a device. It holds no secret.
type deviceValue struct {
	JID         string    `json:"jid"`
	Name        string    `json:"name"`
	Fingerprint string    `json:"fingerprint"`
	State       string    `json:"state"`
	Link        string    `json:"link"`
	Created     time.Time `json:"created"`
}

func newDeviceValue(d owner.Device) deviceValue {
	return deviceValue{
		JID: d.JID.String(), Name: d.Name, Fingerprint: d.Fingerprint.String(),
		State: string(d.State), Link: string(d.Link), Created: d.Created,
	}
}

type commandValue struct {
	Name  string `json:"name"`
	Title string `json:"title"`
}

// stateValue is the state of a command.
type stateValue struct {
	Command string `json:"command"`
	State   string `json:"state,omitempty"`
	Motion  string `json:"motion,omitempty"`
	Unknown string `json:"unknown,omitempty"`
}

// formValue is a form that a command asks for.
type formValue struct {
	Title        string       `json:"title"`
	Instructions []string     `json:"instructions"`
	Fields       []fieldValue `json:"fields"`
}

type fieldValue struct {
	Name        string        `json:"name"`
	Type        string        `json:"type"`
	Label       string        `json:"label"`
	Description string        `json:"description"`
	Required    bool          `json:"required"`
	Values      []string      `json:"values"`
	Options     []optionValue `json:"options"`
	Range       *rangeValue   `json:"range,omitempty"`
}

type optionValue struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

type rangeValue struct {
	Min int64 `json:"min"`
	Max int64 `json:"max"`
}

func newFormValue(f *owner.Form) formValue {
	out := formValue{Title: f.Title, Instructions: append([]string{}, f.Instructions...), Fields: []fieldValue{}}
	for _, field := range f.Fields {
		v := fieldValue{
			Name: field.Var, Type: field.Type, Label: field.Label, Description: field.Desc, Required: field.Required,
			Values: append([]string{}, field.Values...), Options: []optionValue{},
		}
		for _, o := range field.Options {
			v.Options = append(v.Options, optionValue{Label: o.Label, Value: o.Value})
		}
		if field.Range != nil {
			v.Range = &rangeValue{field.Range.Min, field.Range.Max}
		}
		out.Fields = append(out.Fields, v)
	}
	return out
}

// resultValue is what a command answered: what [owner.Result] is in JSON, and as people read it.
func resultValue(r owner.Result) (js.Value, error) {
	v, err := value(r)
	if err != nil {
		return v, err
	}
	v.Set("text", r.Text())
	return v, nil
}

// formAnswer reads the answer to a form: an object of strings, numbers, booleans, or arrays of them.
func formAnswer(v js.Value) (owner.Values, error) {
	if absent(v) {
		return nil, nil
	}
	if v.Type() != js.TypeObject {
		return nil, usageError("the values of a command must be an object, such as {state: \"on\"}")
	}
	text, err := attempt(func() js.Value { return js.Global().Get("JSON").Call("stringify", v) })
	if err != nil {
		return nil, fmt.Errorf("wasm: reading the values of a command: %w", err)
	}
	d := json.NewDecoder(strings.NewReader(text.String()))
	d.UseNumber() // a number goes out as it was written
	var fields map[string]any
	if err := d.Decode(&fields); err != nil {
		return nil, usageError("the values of a command must be an object, such as {state: \"on\"}")
	}
	out := make(owner.Values, len(fields))
	for name, field := range fields {
		list, isList := field.([]any)
		if !isList {
			list = []any{field}
		}
		for _, one := range list {
			text, err := fieldText(name, one)
			if err != nil {
				return nil, err
			}
			out[name] = append(out[name], text)
		}
	}
	return out, nil
}

func fieldText(name string, v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool: // XEP-0004 §3.3, boolean
		if v {
			return "1", nil
		}
		return "0", nil
	}
	return "", usageError(fmt.Sprintf("field %q must be a string, a number, a boolean, or an array of these", name))
}
