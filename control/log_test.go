package control_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"xtls-agent/control"
	"xtls-agent/xmpp/adhoc"
	"xtls-agent/xmpp/form"
)

// The log tells which command ran for whom, and never with what.
func TestValuesAreNotLogged(t *testing.T) {
	var log bytes.Buffer
	r := control.NewRegistry(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	err := r.Add(control.Command{Name: "say", Fields: []form.Field{{Var: "words", Type: form.TextSingle}},
		Run: func(context.Context, control.Call) (control.Result, error) { return control.Result{}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	s := connect(t, r, alice)
	if _, err := adhoc.Execute(t.Context(), s, box, "say", func(*form.Form) (form.Values, error) {
		return form.Values{"words": {"swordfish"}}, nil
	}); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if text := log.String(); !strings.Contains(text, "say") || strings.Contains(text, "swordfish") {
		t.Errorf("logged: %s", text)
	}
}
