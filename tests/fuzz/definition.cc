// LLB definitions as clients send them: loaded, checked, and checked again as ops.
#include "daemon/llb/load/op_check.h"
#include "daemon/llb/load/vertex_load.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bk;
  pb::Definition definition;
  if (!definition.ParseFromArray(data, static_cast<int>(size))) return 0;
  llb::LoadOptions options;
  options.default_platform = {"linux", "amd64", "", "", {}};
  auto loaded = llb::LoadDefinition(CancelToken::Never(), definition, options);
  if (!loaded.ok()) return 0;
  for (const auto& [digest, op] : loaded->ops) {
    if (llb::CheckShape(*op.op).ok()) llb::CheckMeaning(*op.op).IgnoreError();
  }
  return 0;
}
