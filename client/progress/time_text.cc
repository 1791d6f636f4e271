#include "client/progress/time_text.h"
#include "base/time_text.h"

namespace bk::client {
std::string TimeText(const google::protobuf::Timestamp& time) { return Rfc3339(time.seconds(), time.nanos(), Decimals::kAsNeeded, ' ', " +0000 UTC"); }
std::string JsonTimeText(const google::protobuf::Timestamp& time) { return Rfc3339(time.seconds(), time.nanos()); }

}  // namespace bk::client
