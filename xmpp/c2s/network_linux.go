package c2s

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// settleTime is how long the kernel's words are gathered: a cable that is plugged in brings a dozen.
const settleTime = 200 * time.Millisecond

// wordBytes holds one message of the kernel: about a link it has some 2 KiB. It is held for as long as nobody says anything, which is
// nearly always.
const wordBytes = 8 << 10

// Watch announces what the kernel says (rtnetlink) until ctx ends: an interface that carries again, a new address, a new route. What is
// lost is not announced: there is nothing to try then. An error means that nobody will say anything; the backoff goes on without.
func (n *Network) Watch(ctx context.Context) error {
	socket, err := openRoutes()
	if err != nil {
		return err
	}
	return n.listen(ctx, socket)
}

// listen listens on the socket, which it closes.
func (n *Network) listen(ctx context.Context, socket *os.File) error {
	defer socket.Close()
	stop := context.AfterFunc(ctx, func() { _ = socket.Close() })
	defer stop()
	buf := make([]byte, wordBytes)
	for {
		count, err := socket.Read(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS): // more than we could hear
		case err != nil:
			return fmt.Errorf("c2s: listening for changes of the network: %w", err)
		case !cameUp(buf[:count]):
			continue
		}
		drainRoutes(socket, buf)
		n.Announce()
	}
}

// openRoutes opens a socket on which the kernel tells of links, addresses and routes.
func openRoutes() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("c2s: listening for changes of the network: %w", err)
	}
	const groups = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("c2s: listening for changes of the network: %w", err)
	}
	return os.NewFile(uintptr(fd), "rtnetlink"), nil
}

// drainRoutes hears the kernel out for a moment.
func drainRoutes(socket *os.File, buf []byte) {
	_ = socket.SetReadDeadline(time.Now().Add(settleTime)) // the file is one that can be polled
	for {
		if _, err := socket.Read(buf); err != nil && !errors.Is(err, unix.ENOBUFS) {
			break
		}
	}
	_ = socket.SetReadDeadline(time.Time{})
}

// cameUp reports whether the messages tell of something that is new, as opposed to gone. What cannot be read is neither.
func cameUp(messages []byte) bool {
	list, err := syscall.ParseNetlinkMessage(messages)
	if err != nil {
		return false
	}
	for _, m := range list {
		switch m.Header.Type {
		case unix.RTM_NEWADDR, unix.RTM_NEWROUTE:
			return true
		case unix.RTM_NEWLINK:
			if flags, ok := linkFlags(m.Data); ok && flags&unix.IFF_RUNNING != 0 {
				return true
			}
		}
	}
	return false
}

// linkFlags are those of an ifinfomsg, in the order of the machine's bytes.
func linkFlags(data []byte) (uint32, bool) {
	if len(data) < unix.SizeofIfInfomsg {
		return 0, false
	}
	return binary.NativeEndian.Uint32(data[8:]), true
}
