// Undoes the gzip encoding of an answer piece by piece (RFC 1952; several members are one text, as Go's reader takes them).
//
// Belongs to one thread.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "base/status.h"

namespace bk::source::http {

class Gunzip {
 public:
  using Sink = std::function<absl::Status(std::string_view)>;
  Gunzip();
  ~Gunzip();
  // DataLoss for bytes that are no gzip; otherwise what `sink` returned.
  absl::Status Write(std::string_view bytes, const Sink& sink);
  // DataLoss unless a member has just ended.
  absl::Status Finish() const;

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace bk::source::http
