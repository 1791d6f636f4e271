#include "client/progress/printer.h"

namespace bk::client {
namespace {

constexpr int64_t kMillisecond = 1'000'000;

}  // namespace

Pace::Pace(std::unique_ptr<Printer> printer, const Settings& settings, int64_t now_ns)
    : printer_(std::move(printer)),
      tick_ns_(settings.tick_ms * kMillisecond),
      redraw_ns_(settings.redraw_ms * kMillisecond),
      next_tick_ns_(now_ns + tick_ns_),
      next_redraw_ns_(now_ns) {}

void Pace::Update(const moby::buildkit::v1::StatusResponse& status, int64_t now_ns) {
  printer_->Take(status, now_ns);
  next_tick_ns_ = now_ns + tick_ns_;
  if (now_ns < next_redraw_ns_) return;
  next_redraw_ns_ = now_ns + redraw_ns_;
  printer_->Draw(now_ns);
}

void Pace::Tick(int64_t now_ns) {
  next_tick_ns_ = now_ns + tick_ns_;
  printer_->Draw(now_ns);
}

}  // namespace bk::client
