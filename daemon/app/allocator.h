// The daemon's memory is jemalloc's: threads of many builds allocate beside each other, and what a large graph needed goes back to the system.
#pragma once

namespace bk::app {

// Gives unused memory back in the background. Before the daemon's threads start; nothing with a sanitizer, which has its own allocator.
void StartAllocator();

}  // namespace bk::app
