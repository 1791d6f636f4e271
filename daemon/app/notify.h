// sd_notify(3) without the library: one datagram to $NOTIFY_SOCKET, if there is one.
#pragma once

#include <string_view>

namespace bk::app {

void NotifyServiceManager(std::string_view state);  // "READY=1", "STOPPING=1"

}  // namespace bk::app
