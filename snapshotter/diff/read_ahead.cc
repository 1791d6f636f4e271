#include "snapshotter/diff/read_ahead.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace bk::diff {
namespace {

constexpr size_t kPieceBytes = 256 << 10, kMostPieces = 16;

}  // namespace

ReadAhead::ReadAhead(ByteSource& source) : source_(source), thread_([this] { Loop(); }) {}

ReadAhead::~ReadAhead() {
  state_.Change([](State& s) { s.stop = true; });
  if (thread_.joinable()) thread_.join();
}

void ReadAhead::Loop() {
  while (true) {
    std::string piece = state_.With([](State& s) {
      if (s.spare.empty()) return std::string();
      std::string used = std::move(s.spare.back());
      s.spare.pop_back();
      return used;
    });
    piece.resize(kPieceBytes);
    size_t filled = 0;
    absl::Status error;
    bool ended = false;
    while (filled < piece.size() && !ended) {
      auto n = source_.Read(piece.data() + filled, piece.size() - filled);
      error = n.status();
      ended = !n.ok() || *n == 0;
      if (n.ok()) filled += *n;
    }
    piece.resize(filled);
    bool stop = state_.WaitThen([](State& s) { return s.stop || s.pieces.size() < kMostPieces; }, [](State& s) { return s.stop; });
    if (stop) return;
    state_.Change([&](State& s) {
      if (!piece.empty()) s.pieces.push_back(std::move(piece));
      s.error = error;
      s.ended = ended;
    });
    if (ended) return;
  }
}

absl::StatusOr<bool> ReadAhead::Next() {
  at_ = 0;
  std::string used = std::exchange(current_, {});
  absl::Status error;
  bool more = state_.WaitThen([](State& s) { return s.ended || !s.pieces.empty(); },
                              [&](State& s) {
                                if (used.capacity() >= kPieceBytes) s.spare.push_back(std::move(used));
                                error = s.pieces.empty() ? s.error : absl::OkStatus();
                                if (s.pieces.empty()) return false;
                                current_ = std::move(s.pieces.front());
                                s.pieces.pop_front();
                                return true;
                              });
  if (more) state_.NotifyAll();
  if (!error.ok()) return error;
  return more;
}

absl::StatusOr<size_t> ReadAhead::Read(char* buffer, size_t size) {
  if (at_ == current_.size()) {
    BK_TRY(bool more, Next());
    if (!more) return 0;
  }
  size_t n = std::min(size, current_.size() - at_);
  std::memcpy(buffer, current_.data() + at_, n);
  at_ += n;
  return n;
}

absl::Status ReadAhead::Finish() {
  for (bool more = true; more;) BK_ASSIGN(more, Next());
  thread_.join();
  return absl::OkStatus();
}

}  // namespace bk::diff
