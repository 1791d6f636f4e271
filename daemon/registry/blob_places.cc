#include "daemon/registry/blob_places.h"

#include <fcntl.h>

#include <sstream>

#include "base/os/file.h"
#include "base/os/unique_fd.h"

namespace bk::registry {
namespace {

constexpr size_t kMaxPlaces = 16'384;
constexpr size_t kMaxNameBytes = 512;
constexpr uint64_t kMaxFileBytes = 32 << 20;

// Whether it can stand in a line.
bool IsPlain(const std::string& text) {
  if (text.empty() || text.size() > kMaxNameBytes) return false;
  for (unsigned char c : text) {
    if (c <= ' ' || c >= 0x7f) return false;
  }
  return true;
}

template <typename Place>
std::string Line(const Place& place) {
  return StrCat(std::get<0>(place).str(), " ", std::get<1>(place), " ", std::get<2>(place), "\n");
}

size_t CommonParts(const std::string& a, const std::string& b) {
  size_t parts = 0;
  for (size_t i = 0; i < a.size() && i < b.size() && a[i] == b[i]; i++) parts += a[i] == '/';
  return parts;
}

}  // namespace

BlobPlaces::BlobPlaces(std::string file) : file_(std::move(file)) {
  if (file_.empty()) return;
  auto text = os::ReadFile(file_, kMaxFileBytes);
  if (!text.ok()) return;
  State read;
  std::istringstream lines(*text);
  for (std::string line, digest, host, repository; std::getline(lines, line);) {
    std::istringstream words(line);
    read.lines++;
    if (!(words >> digest >> host >> repository)) continue;
    if (auto parsed = Digest::Parse(digest); parsed.ok()) Add(read, {*parsed, host, repository});
  }
  state_.With([&](State& state) { state = std::move(read); });
}

bool BlobPlaces::Add(State& state, Place place) {
  if (!state.places.insert(place).second) return false;
  state.order.push_back(std::move(place));
  if (state.order.size() > kMaxPlaces) {
    state.places.erase(state.order.front());
    state.order.pop_front();
  }
  return true;
}

void BlobPlaces::Note(const Digest& digest, const std::string& host, const std::string& repository) {
  if (digest.empty() || !IsPlain(host) || !IsPlain(repository)) return;
  Place place{digest, host, repository};
  std::string line, all;
  state_.With([&](State& state) {
    if (!Add(state, place) || file_.empty()) return;
    line = Line(place);
    if (++state.lines < 2 * kMaxPlaces) return;
    for (const Place& kept : state.order) all += Line(kept);
    state.lines = state.order.size();
  });
  if (!all.empty()) {
    os::WriteFileAtomic(file_, all, 0600, false).IgnoreError();
  } else if (!line.empty()) {
    os::UniqueFd fd(open(file_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (fd.valid()) os::WriteAll(fd.get(), line).IgnoreError();
  }
}

bool BlobPlaces::Holds(const Digest& digest, const std::string& host, const std::string& repository) const {
  return state_.With([&](const State& state) { return state.places.contains({digest, host, repository}); });
}

std::string BlobPlaces::Nearest(const Digest& digest, const std::string& host, const std::string& repository) const {
  return state_.With([&](const State& state) {
    std::string best;
    for (auto it = state.places.lower_bound({digest, host, ""}); it != state.places.end(); ++it) {
      const auto& [place_digest, place_host, place] = *it;
      if (place_digest != digest || place_host != host) break;
      if (place != repository && (best.empty() || CommonParts(place, repository) > CommonParts(best, repository))) best = place;
    }
    return best;
  });
}

}  // namespace bk::registry
