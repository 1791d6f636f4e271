#include "base/unicode.h"
#include "daemon/frontend/dockerfile/parse/directive.h"
#include "daemon/frontend/dockerfile/parse/parser.h"
#include "tests/golden/dockerfile/suites.h"

namespace bk::golden::dockerfile {

namespace df = bk::dockerfile;

std::string DockerfileOf(const Json& input) {
  if (!input.contains("recipe")) return Bytes(input, "dockerfile");
  const Json& recipe = input["recipe"];
  std::string text = recipe.value("prefix", "");
  for (int i = 0; i < recipe.value("count", 0); i++) text += recipe.value("repeat", "");
  return text + recipe.value("suffix", "");
}

Json RangesJson(const df::Ranges& ranges) {
  Json out = Json::array();
  for (const df::Range& r : ranges) out.push_back({r.start.line, r.start.character, r.end.line, r.end.character});
  return out;
}

Json LocationsJson(const std::vector<df::Ranges>& lists) {
  Json out = Json::array();
  for (const df::Ranges& ranges : lists) out.push_back(RangesJson(ranges));
  return out;
}

namespace {

// Long texts of recipes are described by their ends.
Json TextJson(const std::string& text, bool summarize) {
  if (!summarize || text.size() <= 200) return text;
  return {{"head", text.substr(0, 20)}, {"len", text.size()}, {"tail", text.substr(text.size() - 20)}};
}

Json NodeJson(const df::Node& node, bool summarize) {
  Json out = {{"value", node.keyword}, {"start", node.start_line}, {"end", node.end_line}, {"original", TextJson(node.original, summarize)}};
  if (node.trigger) {
    out["args"].push_back(NodeJson(*node.trigger, summarize));
  } else {
    for (const std::string& arg : node.args) out["args"].push_back(TextJson(arg, summarize));
  }
  if (!node.flags.empty()) out["flags"] = node.flags;
  if (node.is_json) out["json"] = true;
  if (!node.comments.empty()) out["comments"] = node.comments;
  for (const df::Heredoc& h : node.heredocs) {
    out["heredocs"].push_back(
        {{"name", h.name}, {"fd", h.file_descriptor}, {"expand", h.expand}, {"chomp", h.chomp}, {"content", h.content}});
  }
  return out;
}

Json ParsedJson(const df::Dockerfile& file, bool summarize) {
  Json out = {{"start", file.start_line}, {"end", file.end_line}, {"escape", RuneToString(file.escape)}, {"nodes", Json::array()}};
  for (const df::Node& node : file.nodes) out["nodes"].push_back(NodeJson(node, summarize));
  for (const df::ParseWarning& w : file.warnings) {
    out["warnings"].push_back(
        {{"short", w.short_text}, {"detail", {w.detail}}, {"url", w.url}, {"range", RangesJson({w.location})[0]}});
  }
  return out;
}

// An empty list of arguments or comments says nothing.
Json WithoutEmptyLists(Json value) {
  if (value.is_object()) {
    for (auto it = value.begin(); it != value.end();) {
      bool empty = it->is_array() && it->empty() && (it.key() == "comments" || it.key() == "args");
      if (!empty) *it = WithoutEmptyLists(*it);
      it = empty ? value.erase(it) : std::next(it);
    }
  } else if (value.is_array()) {
    for (Json& item : value) item = WithoutEmptyLists(item);
  }
  return value;
}

}  // namespace

absl::Status RunParse(const Json& c, const std::string&) {
  std::string text = DockerfileOf(c["input"]);
  Json got;
  auto parsed = df::ParseDockerfile(text);
  if (parsed.ok()) {
    got = ParsedJson(*parsed, c["input"].contains("recipe"));
  } else {
    got = {{"error", Message(parsed.status())}, {"locations", LocationsJson(df::Locations(parsed.status()))}};
  }
  if (auto syntax = df::DetectSyntax(text)) {
    got["syntax"] = {{"ref", syntax->value}, {"cmdline", syntax->cmdline}, {"ranges", RangesJson(syntax->location)}};
  }
  if (auto check = df::FindDirective("check", text)) {
    got["check"] = {{"value", check->value}, {"cmdline", check->cmdline}, {"ranges", RangesJson(check->location)}};
  }
  return ExpectJson("parse", WithoutEmptyLists(got), WithoutEmptyLists(c["expect"]));
}

}  // namespace bk::golden::dockerfile
