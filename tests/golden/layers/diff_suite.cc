// layers/diff: changes → layer stream, by both differs and over both kinds of trees. [SNP-016 … SNP-018, SNP-020, INF-020]
#include "base/digest.h"
#include "snapshotter/diff/changes.h"
#include "snapshotter/diff/tar.h"
#include "tests/golden/layers/stack.h"
#include "tests/golden/layers/suites.h"

namespace bk::golden::layers {
namespace {

std::string Describe(const std::string& tar) {
  diff::StringSource source(tar);
  diff::TarReader reader(source);
  diff::TarHeader header;
  std::string text;
  while (reader.Next(header).value_or(false)) text += StrCat(" ", header.name, "(", std::string(1, header.type), " ", header.mode, " ", header.mtime.seconds, " ", header.link_name, ")");
  return text;
}

absl::Status ExpectLayer(const std::string& what, Stack& stack, bool overlay_differ, const Json& want) {
  snapshotter::Parents lower(stack.chain().begin() + 1, stack.chain().end());
  BK_TRY(os::TempMount upper_view, stack.View(stack.chain()));
  os::TempMount lower_view;
  if (!lower.empty()) BK_ASSIGN(lower_view, stack.View(lower));
  std::string tar;
  diff::DiffRequest request{lower_view.path(), upper_view.path(), overlay_differ ? stack.driver().UpperDir(stack.chain().front()) : ""};
  BK_RETURN_IF_ERROR(diff::WriteLayer(CancelToken::Never(), request, [&](std::string_view bytes) {
    tar += bytes;
    return absl::OkStatus();
  }));
  if (DigestOf(tar).str() == want["diff_id"]) return absl::OkStatus();
  BK_TRY(std::string expected, Gunzip(want["tar_gz"]));
  std::string got = Describe(tar), wanted = Describe(expected);
  return Unknown(what, got == wanted ? ": same entries, other bytes:" : ": got", got, "\n      want", wanted);
}

absl::Status RunHeaders(const Json& c) {
  const Json& input = c["input"];
  for (const Json& want : c["expect"]["headers"]) {
    diff::TarHeader header;
    header.name = input["path"];
    header.mode = std::stol(input["mode"].get<std::string>(), nullptr, 8);
    header.uid = input["uid"];
    header.gid = input["gid"];
    header.mtime.seconds = std::stoll(input["mtime"].get<std::string>());
    header.size_bytes = want["size"];
    BK_TRY(std::string got, diff::EncodeTarHeader(header));
    BK_TRY(std::string expected, Gunzip(want["block_gz"]));
    BK_RETURN_IF_ERROR(ExpectText(StrCat("header of ", header.size_bytes, " bytes"), got, expected));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Stack>> Replay(const std::string& driver, const Json& c) {
  BK_TRY(auto stack, Stack::Make(driver));
  for (const Json& layer : c["base_layers"]) BK_RETURN_IF_ERROR(stack->Add(layer));
  BK_RETURN_IF_ERROR(stack->Add(c["changes"]));
  return stack;
}

}  // namespace

absl::Status RunDiff(const Json& c, const std::string&) {
  if (c.value("kind", "") == "header_only") return RunHeaders(c);
  const Json& expect = c["expect"];
  const Json& walking = expect["walking"];
  const Json& overlay = expect.contains("overlay") ? expect["overlay"] : walking;
  BK_TRY(auto plain, Replay("native", c));
  BK_RETURN_IF_ERROR(ExpectLayer("walking differ", *plain, false, walking));
  BK_TRY(auto layered, Replay("overlayfs", c));
  BK_RETURN_IF_ERROR(ExpectLayer("overlay differ", *layered, true, overlay));
  std::string view = expect["walking_over_overlay_view"];
  return ExpectLayer("walking differ over overlay views", *layered, false, view == "overlay" ? overlay : view == "neither" ? expect["view"] : walking);
}

}  // namespace bk::golden::layers
