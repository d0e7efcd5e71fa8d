// Package line opens a GPIO line by the name that the kernel gives it, such as
// "GPIO25" on a Raspberry Pi, on the kernel's character devices (Linux 5.10,
// include/uapi/linux/gpio.h). A line is a gpio.PinIO of periph, so that periph's
// drivers and fakes work with it.
//
// periph's own driver for that interface cannot open one line: it is reached only
// through a search for every board and bus that periph knows, which a sandboxed
// service may not make; it writes to the log; and it cannot tell a line that
// another program holds from one that is missing.
package line
