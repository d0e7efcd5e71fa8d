// Package journal sees to it that a call never runs twice, whatever is repeated because a line was cut or a device was switched off.
//
// A caller gives each call an id, and repeats the call with the same id until it is answered. The intent to run it is durable before it
// starts, and what came of it before that is answered. So a repeated id gets the answer that was stored, also from a device that was
// switched off meanwhile; one that went down while the call ran says so ([ErrUnknown]), and never tries again.
//
// A caller says of a repetition how long ago it asked first. Where the journal cannot know any more whether it ran the call, that is
// ErrUnknown too: it never runs what it might have run. What it knows ends when its file was lost, and at its bounds of time and space.
//
// It knows no commands and no wire: a call is a [Key] and a digest, an answer is bytes.
package journal
