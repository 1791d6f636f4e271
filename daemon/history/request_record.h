// What a build's record says of its request. Pure.
#pragma once

#include <map>
#include <string>

namespace bk::history {

// Attributes of a frontend or an exporter without what is secret in them: credentials in URLs, and the keys and tokens of cache
// backends ("cache-imports"), which become "xxxxx".
std::map<std::string, std::string> WithoutSecrets(std::map<std::string, std::string> attrs);

// What the reference notes beside a result for its own checks: platforms, labels and subrequest that a frontend was asked for, in JSON.
inline constexpr char kRequestOptionsKey[] = "verifier.requestopts";
std::string RequestOptions(const std::map<std::string, std::string>& attrs);

}  // namespace bk::history
