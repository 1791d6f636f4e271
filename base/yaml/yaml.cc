#include "base/yaml/yaml.h"

#include <re2/re2.h>
#include <yaml.h>

#include <cstring>
#include <set>

#include "base/go_json.h"
#include "base/unicode.h"

namespace bk {
namespace {

constexpr int kMaxDepth = 64;
constexpr size_t kMaxJsonBytes = 4 << 20;
constexpr std::string_view kStringTag = YAML_STR_TAG;

absl::Status ErrorAt(const yaml_mark_t& mark, std::string_view what) { return InvalidArgument("line ", mark.line + 1, ": ", what); }

// A plain scalar as JSON.
std::string ResolveScalar(std::string_view word) {
  static const RE2* const json_number = new RE2(R"(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)");
  static const RE2* const octal = new RE2("0o?([0-7]{1,16})");
  static const RE2* const hex = new RE2("0x([0-9a-fA-F]{1,16})");
  auto is = [&](std::initializer_list<std::string_view> words) {
    for (std::string_view w : words) {
      std::string upper = ToUpper(w), title = std::string(1, upper[0]) + std::string(w.substr(1));
      if (word == w || word == upper || word == title) return true;
    }
    return false;
  };
  if (word.empty() || word == "~" || is({"null"})) return "null";
  if (is({"true", "yes", "on"})) return "true";
  if (is({"false", "no", "off"})) return "false";
  re2::StringPiece piece(word.data(), word.size());
  if (RE2::FullMatch(piece, *json_number)) return std::string(word);
  uint64_t value = 0;
  if (RE2::FullMatch(piece, *octal, RE2::Octal(&value)) || RE2::FullMatch(piece, *hex, RE2::Hex(&value))) return std::to_string(value);
  return GoJsonString(word);
}

class Parser {
 public:
  explicit Parser(std::string_view text) {
    yaml_parser_initialize(&parser_);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() { yaml_parser_delete(&parser_); }
  yaml_parser_t* get() { return &parser_; }
  absl::Status Problem() const { return ErrorAt(parser_.problem_mark, parser_.problem != nullptr ? parser_.problem : "the text is no YAML"); }

 private:
  yaml_parser_t parser_;
};

// Reads as far as the nesting is sound: libyaml looks at every open level for every token, so that 100,000 open brackets take minutes.
absl::Status CheckNesting(std::string_view text) {
  Parser parser(text);
  for (int depth = 0;;) {
    yaml_event_t event;
    if (yaml_parser_parse(parser.get(), &event) == 0) return parser.Problem();
    const yaml_event_type_t type = event.type;
    const yaml_mark_t mark = event.start_mark;
    yaml_event_delete(&event);
    if (type == YAML_STREAM_END_EVENT) return absl::OkStatus();
    if (type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT) depth++;
    if (type == YAML_SEQUENCE_END_EVENT || type == YAML_MAPPING_END_EVENT) depth--;
    if (depth > kMaxDepth) return ErrorAt(mark, "values are nested too deeply");
  }
}

// The nodes of one parsed document; aliases are the numbers of their nodes, so they may form cycles.
class Document {
 public:
  explicit Document(std::string_view text) : parser_(text), loaded_(yaml_parser_load(parser_.get(), &document_) != 0) {}
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;
  ~Document() {
    if (loaded_) yaml_document_delete(&document_);
  }

  absl::StatusOr<std::string> Json() {
    if (!loaded_) return parser_.Problem();
    const yaml_node_t* root = yaml_document_get_root_node(&document_);
    if (root == nullptr) return "null";
    std::string out;
    BK_RETURN_IF_ERROR(Append(out, *root, 0));
    return out;
  }

 private:
  static std::string_view TextOf(const yaml_node_t& scalar) { return {reinterpret_cast<const char*>(scalar.data.scalar.value), scalar.data.scalar.length}; }

  absl::Status Append(std::string& out, const yaml_node_t& node, int depth) {
    if (depth > kMaxDepth) return ErrorAt(node.start_mark, "values are nested too deeply");
    if (out.size() > kMaxJsonBytes) return ErrorAt(node.start_mark, "aliases expand to too much");
    switch (node.type) {
      case YAML_SCALAR_NODE: return AppendScalar(out, node);
      case YAML_SEQUENCE_NODE: return AppendSequence(out, node, depth);
      case YAML_MAPPING_NODE: return AppendMapping(out, node, depth);
      default: return ErrorAt(node.start_mark, "a value is missing");
    }
  }

  // libyaml gives every scalar without a tag that of texts.
  absl::Status AppendScalar(std::string& out, const yaml_node_t& node) {
    std::string_view tag = reinterpret_cast<const char*>(node.tag), text = TextOf(node);
    if (tag != kStringTag) return ErrorAt(node.start_mark, StrCat("the tag ", tag, " is not read"));
    bool plain = node.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    out += plain ? ResolveScalar(text) : GoJsonString(text);
    return absl::OkStatus();
  }

  absl::Status AppendSequence(std::string& out, const yaml_node_t& node, int depth) {
    if (std::string_view(reinterpret_cast<const char*>(node.tag)) != YAML_SEQ_TAG) return ErrorAt(node.start_mark, "tags of lists are not read");
    out += '[';
    for (const yaml_node_item_t* item = node.data.sequence.items.start; item < node.data.sequence.items.top; item++) {
      if (item != node.data.sequence.items.start) out += ',';
      BK_RETURN_IF_ERROR(Append(out, *yaml_document_get_node(&document_, *item), depth + 1));
    }
    out += ']';
    return absl::OkStatus();
  }

  absl::Status AppendMapping(std::string& out, const yaml_node_t& node, int depth) {
    if (std::string_view(reinterpret_cast<const char*>(node.tag)) != YAML_MAP_TAG) return ErrorAt(node.start_mark, "tags of mappings are not read");
    std::set<std::string_view> seen;
    out += '{';
    for (const yaml_node_pair_t* pair = node.data.mapping.pairs.start; pair < node.data.mapping.pairs.top; pair++) {
      const yaml_node_t& key = *yaml_document_get_node(&document_, pair->key);
      if (key.type != YAML_SCALAR_NODE) return ErrorAt(key.start_mark, "a key is no text");
      std::string_view name = TextOf(key);
      if (name == "<<" && key.data.scalar.style == YAML_PLAIN_SCALAR_STYLE) return ErrorAt(key.start_mark, "merge keys are not read");
      if (!seen.insert(name).second) return ErrorAt(key.start_mark, StrCat("the key ", Quote(name), " is there twice"));
      if (seen.size() > 1) out += ',';
      out += GoJsonString(name) + ":";
      BK_RETURN_IF_ERROR(Append(out, *yaml_document_get_node(&document_, pair->value), depth + 1));
    }
    out += '}';
    return absl::OkStatus();
  }

  Parser parser_;
  yaml_document_t document_;
  const bool loaded_;
};

}  // namespace

absl::StatusOr<std::string> YamlToJson(std::string_view text) {
  BK_RETURN_IF_ERROR(CheckNesting(text));
  return Document(text).Json();
}

}  // namespace bk
