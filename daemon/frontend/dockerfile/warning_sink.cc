#include "daemon/frontend/dockerfile/warning_sink.h"

#include "daemon/frontend/dockerfile/convert/range_proto.h"

namespace bk::dockerfile {
namespace {

// The text goes with every warning; no more than this of it a build, and only what fits into a message of status.
constexpr size_t kMaxSourceBytes = 16 << 20, kMaxSourceInfoBytes = 1 << 20;

// What the last operation, which has nothing but an input, refers to.
Digest HeadOf(const pb::Definition& definition) {
  pb::Op last;
  if (definition.def().empty() || !last.ParseFromString(*definition.def().rbegin()) || last.inputs().empty()) return Digest();
  auto digest = Digest::Parse(last.inputs(0).digest());
  return digest.ok() ? *digest : Digest();
}

}  // namespace

void WarningSink::Begin() {
  begun_ = true;
  if (source_.definition != nullptr) vertex_ = HeadOf(*source_.definition);
  source_info_ = SourceInfoOf(source_).SerializeAsString();
  if (source_info_.size() > kMaxSourceInfoBytes) source_info_.clear();
}

void WarningSink::Found(const Finding& finding) {
  if (!begun_) Begin();
  const LintRow& row = RowOf(finding.rule);
  solver::WarningEvent warning;
  warning.level = 1;
  warning.short_text = ShortText(finding);
  warning.detail = {std::string(row.description)};
  warning.url = row.url();
  if (sent_bytes_ + source_info_.size() <= kMaxSourceBytes) {
    sent_bytes_ += source_info_.size();
    warning.source_info = source_info_;
  }
  for (const Range& r : finding.location) warning.ranges.push_back({r.start.line, r.start.character, r.end.line, r.end.character});
  (void)bridge_.Warn(vertex_, warning);  // a warning that is not heard is no error
}

}  // namespace bk::dockerfile
