// JSON text exactly as Go's encoding/json writes it; cache keys and image configs are hashes of such text (trap 4).
//
// Differences from other writers: `<`, `>`, `&`, U+2028 and U+2029 are escaped, \b and \f have short forms, 0x7f is raw,
// and each byte that is not UTF-8 becomes \ufffd. Not thread-safe (one writer a thread).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bk {

// `text` as a quoted JSON string.
std::string GoJsonString(std::string_view text);
void AppendGoJsonString(std::string& out, std::string_view text);

// Writes one value; the caller keeps the order of keys (struct order, or sorted for maps).
//
//   GoJsonWriter w;
//   w.BeginObject(); w.Key("a"); w.Int(1); w.Key("b"); w.BeginArray(); w.String("x"); w.EndArray(); w.EndObject();
//   w.text() == R"({"a":1,"b":["x"]})"
class GoJsonWriter {
 public:
  void BeginObject();
  void EndObject();
  void BeginArray();
  void EndArray();
  void Key(std::string_view key);
  void String(std::string_view value);
  void Bytes(std::string_view value);  // standard base64, as Go encodes []byte
  void Int(int64_t value);
  void Uint(uint64_t value);
  void Bool(bool value);
  void Null();
  void Raw(std::string_view json);  // already encoded
  const std::string& text() const { return out_; }
  std::string Take() { return std::move(out_); }

 private:
  void Separate();
  std::string out_;
  std::vector<bool> first_;  // per open container: nothing written yet
  bool after_key_ = false;
};

// json.Indent with no prefix: manifests use two spaces. `json` must be valid JSON.
std::string GoJsonIndent(std::string_view json, std::string_view indent);
// json.Compact plus the HTML escaping that Marshal applies to raw messages.
std::string GoJsonCompact(std::string_view json);
// JSON with `<`, `>` and `&` as they are, not escaped (SetEscapeHTML(false)).
std::string WithoutHtmlEscapes(std::string_view json);

}  // namespace bk
