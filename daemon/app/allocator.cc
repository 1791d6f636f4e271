#include "daemon/app/allocator.h"

#ifndef BK_SANITIZED
#include <jemalloc/jemalloc.h>

// Read by jemalloc before main. More arenas keep what is freed apart; pages are given back after half a second, not at
// once for large pieces either, which a pull needs again; most threads live for one task, and a cache of their own costs more
// than it saves (docs/performance.md).
extern "C" {
const char* malloc_conf = "narenas:2,dirty_decay_ms:500,muzzy_decay_ms:0,tcache:false,oversize_threshold:0";
}

namespace bk::app {

void StartAllocator() {
  bool on = true;
  mallctl("background_thread", nullptr, nullptr, &on, sizeof(on));
}

}  // namespace bk::app
#else
namespace bk::app {

void StartAllocator() {}

}  // namespace bk::app
#endif
