package lan

import (
	"net"
	"time"
)

// A peer that was switched off answers no probe: it is found after idle + count × interval, 60 s, on a line where
// nothing is sent; unackedTimeout where something is.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}

// unackedTimeout is how long what was sent may stay unacknowledged before the connection is given up.
const unackedTimeout = 30 * time.Second
