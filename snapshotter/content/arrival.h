// A blob that is read while it still comes into the store: what an ingest has written so far, and the end once it is verified.
//
// One writer (an Ingest at a time) and one reader. The end of the bytes is told only after the blob was committed, so whoever
// saw it has read the blob that was asked for. Thread-safe. See docs/architecture.md, "Pulling".
#pragma once

#include "base/guarded.h"
#include "base/os/unique_fd.h"
#include "base/status.h"

namespace bk::content {

class Arrival {
 public:
  // For Ingest. A second ingest may begin anew only as long as nothing of the first was read; else the arrival is over.
  void Begin(int fd);
  void Grow(int64_t size_bytes);
  void End(bool committed);
  // Nothing (more) will come: whoever fetches calls it at the end, in case no ingest did.
  void Close();

  // For the reader. Waits until there are bytes or the end is known; 0 is the verified end, Aborted: there will be none.
  absl::StatusOr<size_t> Read(char* buffer, size_t size);
  // Waits until something can be read; false if nothing came this way.
  bool Await();
  // The reader has no more interest: Read returns Aborted.
  void Abandon();
  // The same once no Read is under way, which gives the file back.
  void Drop();

 private:
  struct State {
    os::UniqueFd fd;
    int64_t size = 0, read = 0;
    bool over = false, committed = false;  // over and not committed: there is no more to be had
  };
  Guarded<State> state_;
};

}  // namespace bk::content
