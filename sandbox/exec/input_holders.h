// Whether anybody in a container can still read what comes on the standard input that its runtime was given.
//
// An end of file does not tell: the runtime holds the descriptor as long as the container stands. One hands it on as it is
// (crun), another copies through a pipe of its own (runc); so the look is at who has either of them open (proc(5), fd).
#pragma once

#include <sys/types.h>

namespace bk::exec {

// `runtime`: the runtime's process; `first`: the container's first one, which is looked at before all others of the machine.
// True too when it cannot be told.
bool ReadsInputOf(pid_t runtime, pid_t first);

}  // namespace bk::exec
