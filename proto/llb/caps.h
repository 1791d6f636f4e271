// Capability ids of LLB and of the gateway, and which of them are built (trap 9).
//
// Only built ones are advertised, and an op that asks for any other fails to load; frontends write other LLB when a
// capability is missing. The ids, misspelling and all, are the contract's. Thread-safe (constant data).
#pragma once

#include <span>
#include <string_view>

namespace bk::llb {

struct Capability {
  std::string_view id;
  bool built;
};

std::span<const Capability> LlbCapabilities();
std::span<const Capability> GatewayCapabilities();
bool HasLlbCapability(std::string_view id);

}  // namespace bk::llb
