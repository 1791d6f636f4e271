// Go's output templates (text/template) over values that a program describes: `{{range .}}{{.ID}}{{end}}`.
//
//   BK_TRY(Template t, Template::Parse("{{.ID}}\n"));
//   std::string out;
//   absl::Status status = t.Execute(value, out);  // `out` keeps what was printed before an error
//
// Words, functions and error texts are Go's; complex numbers are not built, functions are not values. Bounded: sources and nesting
// (parser.h), templates that call each other, printed bytes, steps. Thread-safe once parsed.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/go_template/tree.h"

namespace bk::go_template {

inline constexpr size_t kMaxOutputBytes = 256 << 20, kMaxSteps = 100'000'000;
inline constexpr int kMaxTemplateDepth = 300;

class Template {
 public:
  // InvalidArgument with Go's text.
  static absl::StatusOr<Template> Parse(std::string_view source);
  // Unknown with Go's text: `template: :1:2: executing "" at <.Nope>: can't evaluate field Nope in type *client.UsageInfo`.
  absl::Status Execute(const Value& data, std::string& out) const;

 private:
  explicit Template(std::shared_ptr<const Tree> tree) : tree_(std::move(tree)) {}
  std::shared_ptr<const Tree> tree_;
};

}  // namespace bk::go_template
