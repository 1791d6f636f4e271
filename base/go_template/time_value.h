// time.Time and time.Duration as values of templates, with the methods that templates ask for.
#pragma once

#include "base/go_template/value.h"

namespace bk::go_template {

Value TimeValue(int64_t seconds, int32_t nanos);  // UTC
Value TimePointer(bool there, int64_t seconds, int32_t nanos);
Value DurationValue(int64_t ns);

// Time.Format with Go's layouts ("2006-01-02 15:04:05 MST"); `local`: in the process's time zone.
std::string FormatTime(int64_t seconds, int32_t nanos, bool local, std::string_view layout);

}  // namespace bk::go_template
