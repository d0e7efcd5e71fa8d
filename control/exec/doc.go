// Package exec is the driver beneath control that runs programs.
//
// A [Definition] is an argument vector in which {field} stands for what the owner submitted.
// No shell is involved, and none of the owner's words becomes a program:
//
//   - the program itself is an absolute path without placeholders, and neither the script of an
//     interpreter (sh -c) nor the program that env, sudo and their like start may hold one;
//   - a value with a leading '-' is refused unless its field allows it, and control characters
//     always are (a NUL cannot be in an argument at all);
//   - the environment is clean, stdin is /dev/null, no descriptor is inherited, the user is
//     another one where configured, and the session has no terminal;
//   - the process group gets SIGTERM at the time limit or when the device ends, and SIGKILL two
//     seconds later. It is killed too when the program has ended, so nothing stays behind.
//     A process that leaves the group by setsid(2) escapes that; it cannot hold up the answer.
//
// A [Runner] has programs as its children, or asks a [Helper] for them: a process of its own for each, with other rights than the agent's,
// which believes the agent no more than a command's name and values. See docs/design/007-exec.md.
//
// Output (stdout and stderr together) is kept up to 64 KiB. Arguments can be seen by every user
// of the device, in ps: a field of type text-private is refused therefore.
package exec
