#include "client/cli/cache_metrics.h"

#include <fcntl.h>

#include "base/go_json.h"
#include "base/log.h"
#include "base/os/file.h"
#include "client/progress/terminal.h"

namespace bk::client {
namespace {

// `[STAGE] FROM IMAGE`
bool IsFrom(std::string_view name) { return name.starts_with('[') && name.find("] FROM") != std::string_view::npos; }

// Steps that no user wrote.
bool IsInternal(std::string_view name) {
  for (std::string_view start : {"[internal]", "[auth]", "importing cache", "exporting "}) {
    if (name.starts_with(start)) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CacheMetrics>> CacheMetrics::Open(const std::string& out) {
  if (out.empty()) return nullptr;
  auto metrics = std::make_unique<CacheMetrics>();
  if (out == "stdout" || out == "stderr") {
    metrics->stream_ = out == "stdout" ? stdout : stderr;
  } else {
    BK_ASSIGN(metrics->file_, os::Open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  }
  log::Info("writing JSON cache metrics to " + out);
  return metrics;
}

void CacheMetrics::Add(const moby::buildkit::v1::StatusResponse& status) {
  for (const auto& vertex : status.vertexes()) {
    Step& step = steps_.try_emplace(vertex.digest(), Step{vertex.name()}).first->second;
    step.from |= IsFrom(vertex.name());
    step.cached |= vertex.cached();
    step.completed |= vertex.has_completed();
  }
}

std::string CacheMetrics::Text(int64_t duration_ms) const {
  int64_t completed = 0, user = 0, user_cached = 0, user_completed = 0, from = 0, miss = 0;
  std::string out;
  for (const auto& [digest, step] : steps_) {
    completed += step.completed;
    if (IsInternal(step.name)) continue;
    user++;
    user_cached += step.cached;
    user_completed += step.completed;
    from += step.from;
    if (step.cached || step.from) continue;
    miss++;
    out += StrCat("cache miss: ", step.name, "\n");
  }
  GoJsonWriter json;
  json.BeginObject();
  std::pair<const char*, int64_t> rows[] = {{"total", steps_.size()},  {"completed", completed}, {"user_total", user}, {"user_cached", user_cached},
                                            {"user_completed", user_completed}, {"user_cacheable", user - from}, {"from", from}, {"miss", miss}, {"client_duration_ms", duration_ms}};
  for (const auto& [key, value] : rows) {
    json.Key(key);
    json.Int(value);
  }
  json.EndObject();
  return out + json.Take() + "\n";
}

absl::Status CacheMetrics::Write() const {
  std::string text = Text(std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start_).count());
  if (stream_ == nullptr) return os::WriteAll(file_.get(), text);
  Print(stream_, text);
  return absl::OkStatus();
}

}  // namespace bk::client
