// Output templates: whatever is parsed can be written as source again and be carried out.
#include "base/go_template/parser.h"
#include "base/go_template/template.h"
#include "base/go_template/time_value.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bk::go_template;
  static const std::set<std::string, std::less<>> functions = {"len", "json", "printf", "index", "slice", "eq", "lt", "and", "or", "html", "js", "print"};
  static const Value record = Value::Pointer(Value::Struct(MakeType("T", Kind::kStruct), {MakeField("A", "a", Value::Strings({"x", "y"})), MakeField("B", "b", TimeValue(1, 2)),
                                                                                         MakeField("C", "c", Value::Map("map[string]string", {}, Value::String("")))}));
  std::string text(bk::fuzz::Text(data, std::min<size_t>(size, 4096)));
  auto tree = Parse(text, functions);
  if (!tree.ok()) return 0;
  (void)SourceOf(*tree->root);
  // Numbers may ask for long loops and wide columns.
  if (text.find_first_of("0123456789") != std::string::npos) return 0;
  auto parsed = Template::Parse(text);
  std::string out;
  if (parsed.ok()) (void)parsed->Execute(record, out).ok();
  return 0;
}
