// keys/cachemap: what of an op is hashed, how its inputs count, and the content digests of the selected paths. The first
// line is the tree on which the digests are taken; it is built on disk once. [CAC-020]
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>

#include "base/digest.h"
#include "base/os/file.h"
#include "base/os/root_path.h"
#include "daemon/cache/contenthash/tree.h"
#include "daemon/ops/map/map_plan.h"
#include "tests/golden/keys/suites.h"

namespace bk::golden::keys {
namespace {

struct Tree {
  os::TempDir dir;
  std::unique_ptr<os::RootDir> root;
};
std::unique_ptr<Tree> tree;

absl::Status BuildTree(const Json& entries) {
  auto built = std::make_unique<Tree>();
  BK_ASSIGN(built->dir, os::TempDir::Make("cachemap-"));
  chmod(built->dir.path().c_str(), 0755);
  for (const Json& entry : entries) {
    std::string type = entry["type"], path = built->dir.path() + Text(entry["path"]);
    unsigned mode = entry.value("mode", 0u);
    if (type == "dir") {
      BK_RETURN_IF_ERROR(os::MakeDirs(path, mode));
    } else if (type == "file") {
      BK_RETURN_IF_ERROR(os::WriteFile(path, Base64Decode(entry["content"].get<std::string>()).value_or(""), mode));
    } else if (symlink(Text(entry["linkname"]).c_str(), path.c_str()) < 0) {
      return ErrnoError(errno, path);
    }
    if (type != "symlink" && chmod(path.c_str(), mode) < 0) return ErrnoError(errno, path);
  }
  BK_TRY(os::RootDir root, os::RootDir::Open(built->dir.path()));
  built->root = std::make_unique<os::RootDir>(std::move(root));
  tree = std::move(built);
  return absl::OkStatus();
}

using google::protobuf::FieldDescriptor;
using ProtoMessage = google::protobuf::Message;

// Copies fields by number between two types of one layout.
void CopyFields(const ProtoMessage& from, ProtoMessage& to) {
  const auto* source = from.GetReflection();
  const auto* target = to.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  source->ListFields(from, &fields);
  for (const FieldDescriptor* f : fields) {
    const FieldDescriptor* t = to.GetDescriptor()->FindFieldByNumber(f->number());
    for (int i = 0; i < (f->is_repeated() ? source->FieldSize(from, f) : 1); i++) {
      bool many = f->is_repeated();
      switch (f->cpp_type()) {
        case FieldDescriptor::CPPTYPE_MESSAGE: CopyFields(many ? source->GetRepeatedMessage(from, f, i) : source->GetMessage(from, f), many ? *target->AddMessage(&to, t) : *target->MutableMessage(&to, t)); break;
        case FieldDescriptor::CPPTYPE_STRING: many ? target->AddString(&to, t, source->GetRepeatedString(from, f, i)) : target->SetString(&to, t, source->GetString(from, f)); break;
        case FieldDescriptor::CPPTYPE_BOOL: many ? target->AddBool(&to, t, source->GetRepeatedBool(from, f, i)) : target->SetBool(&to, t, source->GetBool(from, f)); break;
        case FieldDescriptor::CPPTYPE_ENUM: many ? target->AddEnumValue(&to, t, source->GetRepeatedEnumValue(from, f, i)) : target->SetEnumValue(&to, t, source->GetEnumValue(from, f)); break;
        case FieldDescriptor::CPPTYPE_INT32: many ? target->AddInt32(&to, t, source->GetRepeatedInt32(from, f, i)) : target->SetInt32(&to, t, source->GetInt32(from, f)); break;
        case FieldDescriptor::CPPTYPE_UINT32: many ? target->AddUInt32(&to, t, source->GetRepeatedUInt32(from, f, i)) : target->SetUInt32(&to, t, source->GetUInt32(from, f)); break;
        case FieldDescriptor::CPPTYPE_UINT64: many ? target->AddUInt64(&to, t, source->GetRepeatedUInt64(from, f, i)) : target->SetUInt64(&to, t, source->GetUInt64(from, f)); break;
        default: many ? target->AddInt64(&to, t, source->GetRepeatedInt64(from, f, i)) : target->SetInt64(&to, t, source->GetInt64(from, f)); break;
      }
    }
  }
}

// Parses without a check of UTF-8, as the reference's decoder does: by a copy of the layout in proto2.
absl::StatusOr<pb::Op> Parse(const std::string& bytes) {
  pb::Op op;
  if (op.ParseFromString(bytes)) return op;
  google::protobuf::FileDescriptorProto file;
  pb::Op::descriptor()->file()->CopyTo(&file);
  file.set_syntax("proto2");
  google::protobuf::DescriptorPool pool;
  const auto* loose = pool.BuildFile(file);
  if (loose == nullptr) return Unknown("the layout does not build as proto2");
  google::protobuf::DynamicMessageFactory factory(&pool);
  std::unique_ptr<ProtoMessage> message(factory.GetPrototype(loose->FindMessageTypeByName("Op"))->New());
  if (!message->ParseFromString(bytes)) return Unknown("the op does not parse");
  op.Clear();
  CopyFields(*message, op);
  return op;
}

absl::StatusOr<ops::MapPlan> Plan(const pb::Op& op, int inputs) {
  switch (op.op_case()) {
    case pb::Op::kExec: {
      Platform platform = HostPlatform();
      if (op.has_platform()) {
        const pb::Platform& p = op.platform();
        platform = {p.os(), p.architecture(), p.variant(), p.osversion(), {p.osfeatures().begin(), p.osfeatures().end()}};
      }
      return ops::PlanExec(op.exec(), platform, inputs);
    }
    case pb::Op::kFile: return ops::PlanFile(op.file(), inputs);
    case pb::Op::kMerge: return ops::PlanMerge(op.merge());
    case pb::Op::kDiff: return ops::PlanDiff(op.diff());
    case pb::Op::kBuild: return ops::PlanBuild(op.build(), inputs);
    case pb::Op::kPassthrough: return ops::PlanPassthrough(op.passthrough(), inputs);
    default: return Unknown("this op has no cache map");
  }
}

// Bytes that are not UTF-8 are stated as {"b64": …}.
Json AsJson(const std::vector<std::string>& texts) {
  Json out = Json::array();
  for (const std::string& text : texts) out.push_back(text);
  return out;
}

std::vector<std::string> Texts(const Json& list) {
  std::vector<std::string> out;
  for (const Json& text : list) out.push_back(Text(text));
  return out;
}

absl::Status ExpectList(const std::string& what, const std::vector<std::string>& got, const std::vector<std::string>& want) {
  if (got == want) return absl::OkStatus();
  auto show = [](const std::vector<std::string>& list) { return AsJson(list).dump(-1, ' ', false, Json::error_handler_t::replace); };
  return Unknown(what, ": got ", show(got), ", want ", show(want));
}

absl::Status CheckContent(const ops::MapDep& dep, const Json& want) {
  contenthash::HashTree hashes;
  std::vector<std::string> parts;
  auto opener = []() -> absl::StatusOr<const os::RootDir*> { return tree->root.get(); };
  auto got = ops::ContentDigest(dep.content, [&](const std::string& path, const contenthash::ChecksumOptions& options) {
    auto digest = hashes.Checksum(CancelToken::Never(), opener, path, options);
    if (digest.ok()) parts.push_back(digest->str());
    return digest;
  });
  if (want.contains("content_error")) {
    if (got.ok()) return Unknown("content: got ", got->str(), ", want an error");
    return ExpectText("content error", StrCat("failed to calculate checksum of ref $WORKER::$REF: ", Message(got.status())), Text(want["content_error"]));
  }
  if (!want.contains("content_digest")) return absl::OkStatus();
  if (!got.ok()) return Annotate(got.status(), "content");
  if (want.contains("content_parts")) BK_RETURN_IF_ERROR(ExpectList("content parts", parts, Texts(want["content_parts"])));
  return ExpectText("content digest", got->str(), want["content_digest"].get<std::string>());
}

absl::Status CheckDep(const ops::MapDep& dep, const Json& want) {
  BK_RETURN_IF_ERROR(ExpectText("selector", dep.SelectorDigest().str(), want.value("selector", "")));
  if (want.contains("selector_parts")) BK_RETURN_IF_ERROR(ExpectList("selector parts", dep.parts, Texts(want["selector_parts"])));
  if (dep.by_content != want.value("content", false)) return Unknown("content function: got ", dep.by_content);
  if (dep.preprocess != want.value("preprocess", false)) return Unknown("preprocess: got ", dep.preprocess);
  return dep.by_content ? CheckContent(dep, want) : absl::OkStatus();
}

}  // namespace

bool IsCacheMapCase(const Json& line) { return line.value("kind", "") != "tree"; }

void NoteCacheMapTree(const Json& line) {
  if (auto built = BuildTree(line["tree"]); !built.ok()) fprintf(stderr, "cachemap: %s\n", Message(built).c_str());
}

absl::Status RunCacheMap(const Json& c, const std::string&) {
  if (tree == nullptr) return Unknown("no tree was built");
  BK_TRY(pb::Op op, Parse(Base64Decode(c["op"]["bytes"].get<std::string>()).value_or("")));
  const Json& want = c["expect"];
  auto got = Plan(op, c["inputs"]);
  if (want.contains("error")) {
    if (got.ok()) return Unknown("got ", got->text, ", want error ", want["error"].get<std::string>());
    return ExpectText("error", Message(got.status()), Text(want["error"]));
  }
  if (!got.ok()) return got.status();
  if (want.contains("action_texts")) {
    std::vector<std::string> wanted;
    for (const Json& text : want["action_texts"]) wanted.push_back(text.is_null() ? "" : Text(text));
    BK_RETURN_IF_ERROR(ExpectList("actions", got->action_texts, wanted));
  }
  BK_RETURN_IF_ERROR(ExpectText("text", got->text, Text(want["text"])));
  BK_RETURN_IF_ERROR(ExpectText("digest", got->digest().str(), want["digest"].get<std::string>()));
  if (got->deps.size() != want["deps"].size()) return Unknown("deps: got ", got->deps.size(), ", want ", want["deps"].size());
  for (size_t i = 0; i < got->deps.size(); i++) BK_RETURN_IF_ERROR(Annotate(CheckDep(got->deps[i], want["deps"][i]), StrCat("input ", i)));
  return absl::OkStatus();
}

}  // namespace bk::golden::keys
