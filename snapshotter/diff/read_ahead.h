// Reads a source on a thread of its own, a few pieces ahead of who takes them: a decoder and an extractor share the work.
//
// One thread reads from it. The source must outlive it, and belongs to it until Finish or the end of its life.
#pragma once

#include <deque>
#include <thread>
#include <vector>

#include "base/guarded.h"
#include "snapshotter/diff/stream.h"

namespace bk::diff {

class ReadAhead : public ByteSource {
 public:
  explicit ReadAhead(ByteSource& source);
  ~ReadAhead() override;
  absl::StatusOr<size_t> Read(char* buffer, size_t size) override;
  // Reads what is left; afterwards the source is the caller's again.
  absl::Status Finish();

 private:
  struct State {
    std::deque<std::string> pieces;
    std::vector<std::string> spare;  // used up
    absl::Status error;
    bool ended = false, stop = false;
  };
  void Loop();
  // The next piece into `current_`; false at the end.
  absl::StatusOr<bool> Next();

  ByteSource& source_;
  Guarded<State> state_;
  std::string current_;
  size_t at_ = 0;
  std::thread thread_;
};

}  // namespace bk::diff
