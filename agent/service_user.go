package agent

import (
	"os"
	"os/user"
	"strconv"
)

// ServiceUser is whom the package's unit runs the agent as.
const ServiceUser = "xtls-agent"

// FileOwner is whose a file shall be; nil leaves it to whoever writes it.
type FileOwner struct{ UID, GID int }

// OwnerOf is a user, if there is one of that name and we may give files away.
func OwnerOf(name string) *FileOwner {
	u, err := user.Lookup(name)
	if err != nil || os.Geteuid() != 0 {
		return nil
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err1 != nil || err2 != nil {
		return nil
	}
	return &FileOwner{uid, gid}
}

// Give gives the file away.
func (o *FileOwner) Give(f *os.File) error {
	if o == nil {
		return nil
	}
	return f.Chown(o.UID, o.GID)
}
