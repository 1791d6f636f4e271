#include <doctest/doctest.h>

#include "llb/ops.pb.h"
#include "proto/llb/go_json_of.h"

using namespace bk;

TEST_CASE("protojson: names of the contract, numbers of 64 bits as texts, enums by name, empty messages stay (DFE-103)") {
  pb::Op op;
  op.mutable_constraints();
  op.mutable_exec()->set_network(pb::NetMode::HOST);
  op.mutable_exec()->mutable_meta()->add_args("<a>");
  op.mutable_exec()->add_mounts()->set_output(-1);
  pb::Mount& tmpfs = *op.mutable_exec()->add_mounts();
  tmpfs.set_mounttype(pb::MountType::TMPFS);
  tmpfs.mutable_tmpfsopt()->set_size(1);
  CHECK(llb::ProtoJsonOf(op) ==
        R"({"exec":{"meta":{"args":["\u003ca\u003e"]},"mounts":[{"output":"-1"},{"mountType":"TMPFS","TmpfsOpt":{"size":"1"}}],"network":"HOST"},"constraints":{}})");
}
