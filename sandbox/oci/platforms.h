// The platforms whose programs run on this machine: its own, older variants of it, and those that the kernel runs through an
// emulator (binfmt_misc).
//
// An emulator counts when it runs programs in another root directory, as steps have one: registered with the flag F.
// Source of the list and its order: features EXE-035, WRK-002.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/platform.h"
#include "base/status.h"

namespace bk::oci {

// The least program of an architecture (Go's name): an ELF file whose only act is to end with exit code 0. "" for an
// architecture that has none here.
std::string LeastProgram(std::string_view architecture);

// Whether the kernel starts programs of that architecture, its own or by an emulator: tries the least one of it, in another
// root directory. False for an architecture that has none here. Needs CAP_SYS_CHROOT; blocks for a millisecond or two.
bool RunsProgramsOf(std::string_view architecture);

// The host's platform comes first. Writes the least programs to a temporary directory and runs each; needs CAP_SYS_CHROOT.
// What cannot be tried (no rights, no room) is left out. Blocks for some milliseconds.
std::vector<Platform> SupportedPlatforms();

}  // namespace bk::oci
