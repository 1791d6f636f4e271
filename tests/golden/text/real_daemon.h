// The product's daemon for cases that compare what a running one answers: started once for the program, ended with it.
#pragma once

#include <memory>
#include <string>

#include "base/os/file.h"
#include "base/os/process.h"
#include "tests/golden/support/runner.h"

namespace bk::golden::text {

class RealDaemon {
 public:
  // Its state lies below $TMPDIR; nothing of the caller's environment but PATH reaches it.
  static absl::StatusOr<const RealDaemon*> Get(bool with_devices = true);
  std::string address() const { return "unix://" + temp_.path() + "/d.sock"; }
  ~RealDaemon();

 private:
  static absl::StatusOr<std::unique_ptr<RealDaemon>> Start(bool with_devices);
  os::TempDir temp_;
  os::Process process_;
};

// Equal but for what changes from run to run: $ID, $DIGEST and $VALUE of `want` stand for ids, hex digits and any value.
absl::Status ExpectPattern(std::string_view what, const std::string& got, const std::string& want);
absl::Status ExpectJsonPattern(std::string_view what, const Json& got, const Json& want);

}  // namespace bk::golden::text
