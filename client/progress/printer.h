// How one mode turns a build's status messages into output, and when it does: printers and their pace.
//
// No clock and no thread of their own: every call says what time it is, so that a test plays hours in no time. display.cc
// drives them in real time. Output goes to a Sink, one call a redraw. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "client/progress/settings.h"
#include "control/control.pb.h"

namespace bk::client {

using Sink = std::function<void(std::string_view)>;

class Printer {
 public:
  virtual ~Printer() = default;
  virtual void Take(const moby::buildkit::v1::StatusResponse& status, int64_t now_ns) = 0;
  virtual void Draw(int64_t now_ns) = 0;
  // The last picture, then the blocks of failed steps.
  virtual void End(int64_t now_ns) = 0;
};

struct TerminalSize {
  int columns = 80, rows = 10;
};

// Line after line: a header when a step gets its turn, its transfers, log lines and end. `description` (may be "") stands
// first as step 0.
std::unique_ptr<Printer> MakePlainPrinter(Sink sink, const Settings& settings, std::string description);

// A picture that is drawn over and over: header, a line a step and transfer, the last log lines of running steps. `size` is
// asked at every redraw, so that a resized terminal is noticed. `phase`: "Building"; `description` (may be "") stands at the
// right of the header.
std::unique_ptr<Printer> MakeTtyPrinter(Sink sink, std::function<TerminalSize()> size, const Settings& settings, std::string phase,
                                        std::string description);

// Draws at a message unless the last such redraw is too young, and a while after the last message or tick.
class Pace {
 public:
  Pace(std::unique_ptr<Printer> printer, const Settings& settings, int64_t now_ns);

  void Update(const moby::buildkit::v1::StatusResponse& status, int64_t now_ns);
  // When Tick is due.
  int64_t next_tick_ns() const { return next_tick_ns_; }
  void Tick(int64_t now_ns);
  void Finish(int64_t now_ns) { printer_->End(now_ns); }

 private:
  std::unique_ptr<Printer> printer_;
  const int64_t tick_ns_, redraw_ns_;
  int64_t next_tick_ns_;
  int64_t next_redraw_ns_;  // not before
};

}  // namespace bk::client
