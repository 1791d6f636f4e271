#include "client/session/metadata.h"

#include "base/go_url.h"

namespace bk::client {
namespace {

constexpr std::string_view kEncodedSuffix = "-encoded";

}  // namespace

Metadata ReadMetadata(const grpc::ServerContextBase& context) {
  Metadata metadata;
  for (const auto& [key, value] : context.client_metadata()) {
    metadata[std::string(key.data(), key.size())].emplace_back(value.data(), value.size());
  }
  for (auto& [key, values] : metadata) {
    if (!metadata.contains(key + std::string(kEncodedSuffix))) continue;
    for (std::string& value : values) value = QueryUnescape(value).value_or(value);
  }
  return metadata;
}

std::string First(const Metadata& metadata, const std::string& key) {
  auto it = metadata.find(key);
  return it == metadata.end() || it->second.empty() ? "" : it->second.front();
}

}  // namespace bk::client
