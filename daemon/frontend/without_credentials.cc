#include "daemon/frontend/without_credentials.h"

#include <re2/re2.h>

namespace bk::frontend {

std::string WithoutCredentials(std::string text) {
  static const RE2* const both = new RE2(R"((https?://)[^\s/?#@:"']*:[^\s/?#@"']*@)");
  static const RE2* const user = new RE2(R"((https?://)[^\s/?#@:"']+@)");
  RE2::GlobalReplace(&text, *both, "\\1xxxxx:xxxxx@");
  RE2::GlobalReplace(&text, *user, "\\1xxxxx@");
  return text;
}

}  // namespace bk::frontend
