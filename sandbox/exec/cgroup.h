// Control groups of steps, in every hierarchy that the host mounts: what the runtime leaves of them goes here.
//
// Paths are those of the spec's cgroupsPath ("/parent/buildkit/ID"); one that does not begin with / is a systemd slice,
// which systemd removes itself. See cgroups(7), "Removing a cgroup".
#pragma once

#include <string>

namespace bk::exec {

// The group of one step with all groups below it. What still runs inside is killed; the kernel takes a moment to let go
// of a group whose last process ended, and this waits for it, a second at most. False when something stands there still.
bool RemoveStepCgroup(const std::string& path);
// The group that held those of steps; one that is in use (by another daemon) stays.
void RemoveEmptyCgroup(const std::string& path);
// The cgroupsPath in a bundle's config.json; "" without one.
std::string CgroupPathOfBundle(const std::string& bundle);

}  // namespace bk::exec
