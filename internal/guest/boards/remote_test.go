package boards

// remote is a remote control by the name that the kernel gives it, and the codes of its keys (linux/input-event-codes.h).
const (
	remote       = "remote control"
	keyBackspace = 14
	keyOK        = 0x160
)

// digit is the code of a digit's key.
func digit(d rune) int {
	if d == '0' {
		return 11
	}
	return int(d-'1') + 2
}

// plugRemote plugs the remote control's receiver in.
func (b *board) plugRemote() {
	b.Helper()
	keys := []int{keyBackspace, keyOK}
	for _, d := range "0123456789" {
		keys = append(keys, digit(d))
	}
	if err := b.guest.Plug(b.ctx, remote, keys...); err != nil {
		b.Fatal(err)
	}
}
