package owner

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"syscall"

	"xtls-agent/client"
	"xtls-agent/internal/cli"
	"xtls-agent/owner"
)

// Exit codes, as the help lists them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotPaired   = 3
	exitWrongPIN    = 4
	exitUnreachable = 5
	exitRefused     = 6
	exitCommand     = 7
	exitUnknown     = 8
)

// commandError: a command ran and failed.
type commandError struct{ reason string }

func (e *commandError) Error() string { return "the command failed: " + e.reason }

// verdicts are what errors mean to a person: the first that matches counts. An empty say is the error's own text.
var verdicts = []struct {
	err  error
	code int
	say  string
}{
	{owner.ErrOtherCall, exitUsage, "the id was used for another call: choose another one, or repeat that call as it was"},
	{owner.ErrForgotten, exitUnknown, "the command was done, and what it answered is not kept any more"},
	{owner.ErrOutcomeUnknown, exitUnknown, "no answer came: the command may have run or not: look at the device before trying again"},
	{owner.ErrMistyped, exitWrongPIN, "wrong PIN: what was typed on the device is not what was shown here: pair again, with the new PIN that you will be shown"},
	{owner.ErrNotTyped, exitRefused, "the PIN was not typed on the device in time: pair again; if the device says nothing, press its button first"},
	{owner.ErrWrongPIN, exitWrongPIN, "wrong PIN: look at the display for the new PIN"},
	{owner.ErrNotPairing, exitRefused, "the device is not in pairing mode: press the button on the device"},
	{owner.ErrLocked, exitRefused, "pairing is locked on the device: hold its button for 3 seconds, or run xtls-agent pairing unlock there"},
	{owner.ErrTooMany, exitRefused, "too many attempts to pair: wait a little, or press the button on the device for a new window"},
	{owner.ErrNotKnown, exitRefused, "the device does not know this client any more: it was reset, or somebody interferes: " +
		"if you reset it, pair with it again"},
	{owner.ErrRefused, exitRefused, "the device refused: this client may not pair or talk with it now: ask its owner, or press its button"},
	{owner.ErrNotAuthentic, exitFailed, "the other side could not prove that it is the device: it was reset, or somebody interferes: nothing was sent"},
	{owner.ErrUnconfirmed, exitFailed, "the certificates were exchanged, but the first session with them failed: pair again"},
	{owner.ErrStalled, exitFailed, "the line stood still, or was too slow, while the two sides proved themselves to each other: try again " +
		"(to pair: with the PIN that the display shows then)"},
	{owner.ErrNotOffered, exitRefused, ""},
	{owner.ErrNotPaired, exitNotPaired, ""},
	{client.ErrUnknownName, exitNotPaired, ""},
	{client.ErrNoAccount, exitUsage, ""},
	{owner.ErrNotAuthorized, exitUsage, "the server refused the account or its password: log in again with: xtlsctl login JID"},
	{owner.ErrConflict, exitFailed, "another client took the place of this one on the server: if it is none of yours, " +
		"somebody knows the password: change it, and log in again with: xtlsctl login JID"},
	{owner.ErrUnreachable, exitUnreachable, ""},
	{owner.ErrNotADevice, exitUnreachable, ""},
	{owner.ErrPeerEnded, exitFailed, "the device ended the session, perhaps since the line was too slow: try again"},
}

// judge returns what a person reads, in one line, and the exit code.
func judge(ctx context.Context, err error) (said string, code int) {
	said, code = meaning(err)
	switch {
	case ctx.Err() != nil && code != exitUnknown:
		said, code = "interrupted", exitFailed
	case errors.Is(err, context.DeadlineExceeded) && code == exitFailed:
		said, code = "no answer in time: is the device switched on? (see --timeout)", exitUnreachable
	}
	return cli.OneLine(plain(said)), code
}

// origin is the package that an error comes from: of use to who reads the log, not to who reads one line.
var origin = regexp.MustCompile(`^(adhoc|c2s|client|disco|goxmpp|jingle|lan|owner|pairing|state|stream|trust|xmpp|xtls): `)

func plain(said string) string {
	for origin.MatchString(said) {
		said = origin.ReplaceAllString(said, "")
	}
	return said
}

func meaning(err error) (string, int) {
	var unknown *owner.CallUnknownError
	if errors.As(err, &unknown) {
		return doubt(unknown), exitUnknown
	}
	switch { // before what came of it, such as ErrUnconfirmed
	case errors.Is(err, syscall.ENOSPC):
		return err.Error() + ": make room on the disk and try again", exitFailed
	case errors.Is(err, owner.ErrNotStored):
		return err.Error() + ": see why the folder cannot be written, and try again", exitFailed
	}
	for _, v := range verdicts {
		if !errors.Is(err, v.err) {
			continue
		}
		switch {
		case v.err == owner.ErrUnconfirmed && errors.Is(err, owner.ErrStalled):
			return "the certificates were exchanged, but in the first session with them the line stood still, or was too slow: pair again", v.code
		case v.err == owner.ErrUnconfirmed && errors.Is(err, owner.ErrPeerEnded):
			return "the certificates were exchanged, but the device ended the first session with them, perhaps since the line was too slow: pair again", v.code
		case v.say != "":
			return v.say, v.code
		}
		return err.Error(), v.code
	}
	return typed(err)
}

// doubt says why it is not known what came of a call, and what can be done.
func doubt(e *owner.CallUnknownError) string {
	var answered *owner.RequestError
	switch {
	case e.ID != "":
		return "no answer came: the command may have run or not: ask what came of it, within ten minutes, by the same call with --id " + e.ID
	case errors.Is(e, owner.ErrCallNotStored):
		return "the device cannot store calls, so nobody knows what came of the command: look at it before trying again, and whether its disk is full"
	case errors.As(e, &answered):
		return "the device does not know what came of the command: it went down while it ran, or it is too long ago: look at it before trying again"
	}
	return "no answer came: the command may have run or not: look at the device before trying again"
}

// typed knows the errors that carry something.
func typed(err error) (string, int) {
	var wrong *cli.UsageError
	var usage *client.UsageError
	var field *owner.FieldError
	var command *commandError
	var account *owner.RefusedAccountError
	var nobody *owner.UnreachableError
	var certificate *owner.CertificateError
	var answered *owner.RequestError
	switch {
	case errors.As(err, &wrong):
		return wrong.Error(), exitUsage
	case errors.As(err, &usage):
		return usage.Error(), exitUsage
	case errors.As(err, &field):
		return field.Error(), exitUsage
	case errors.As(err, &command):
		return command.Error(), exitCommand
	case errors.As(err, &account):
		return account.Error(), exitCommand
	case errors.As(err, &certificate):
		return certificate.Error(), exitFailed
	case errors.As(err, &nobody):
		return nobody.Error(), exitUnreachable
	case errors.As(err, &answered) && (answered.Condition == owner.Forbidden || answered.Condition == owner.NotAllowed):
		return "the device does not allow this: " + err.Error(), exitRefused
	case errors.As(err, &answered):
		return err.Error(), exitCommand
	}
	return err.Error(), exitFailed
}

// printf writes for a person; that nobody reads any more is no reason to fail.
func printf(w interface{ Write([]byte) (int, error) }, format string, args ...any) {
	fmt.Fprintf(w, format, args...)
}
