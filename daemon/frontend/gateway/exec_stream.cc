#include "daemon/frontend/gateway/exec_stream.h"

#include <signal.h>
#include <string.h>

#include <algorithm>
#include <map>

#include "base/guarded.h"
#include "base/task_group.h"
#include "daemon/frontend/gateway/input_queue.h"
#include "proto/wire/status_codec.h"

namespace bk::frontend::gateway {
namespace {

// One process with its streams.
class StreamProcess {
 public:
  StreamProcess(ExecStream& stream, std::string id) : stream_(stream), id_(std::move(id)) {}
  ~StreamProcess() { process_.reset(); }

  absl::Status Start(const CancelToken& cancel, Container& container, const api::InitMessage& init) {
    ProcessRequest request;
    request.meta = init.meta();
    request.secret_env = {init.secretenv().begin(), init.secretenv().end()};
    request.security = init.security();
    request.tty = init.tty();
    fds_ = {init.fds().begin(), init.fds().end()};
    if (Has(0)) {
      BK_ASSIGN(input_, InputQueue::Make());
      request.stdin_fd = input_->read_fd();
    }
    request.output = [this](int fd, std::string_view bytes) {
      started_.Wait([](bool started) { return started; });
      if (!Has(static_cast<uint32_t>(fd))) return;
      api::ExecMessage message = Message();
      message.mutable_file()->set_fd(static_cast<uint32_t>(fd));
      message.mutable_file()->set_data(std::string(bytes));
      stream_.Write(message).IgnoreError();
    };
    auto process = container.Start(cancel, std::move(request));
    if (process.ok()) process_ = *std::move(process);
    api::ExecMessage message = Message();
    message.mutable_started();
    if (process.ok()) stream_.Write(message).IgnoreError();
    started_.Change([](bool& started) { started = true; });
    return process.status();
  }

  // Blocks until it is over and all is said.
  void Finish() {
    ProcessEnd end = process_->Wait();
    if (input_ != nullptr) input_->Over();
    for (uint32_t fd : fds_) {
      if (fd == 0) continue;
      api::ExecMessage message = Message();
      message.mutable_file()->set_fd(fd);
      message.mutable_file()->set_eof(true);
      stream_.Write(message).IgnoreError();
    }
    api::ExecMessage exit = Message(), done = Message();
    exit.mutable_exit()->set_code(static_cast<uint32_t>(end.code));
    if (!end.error.ok()) *exit.mutable_exit()->mutable_error() = wire::ToProto(end.error);
    stream_.Write(exit).IgnoreError();
    done.mutable_done();
    stream_.Write(done).IgnoreError();
  }

  absl::Status Take(const CancelToken& cancel, const api::ExecMessage& message) {
    switch (message.Input_case()) {
      case api::ExecMessage::kFile: return TakeFile(cancel, message.file());
      case api::ExecMessage::kResize:
        process_->Resize(static_cast<uint16_t>(message.resize().rows()), static_cast<uint16_t>(message.resize().cols()));
        return absl::OkStatus();
      case api::ExecMessage::kSignal: {
        int number = SignalNumber(message.signal().name());
        if (number == 0) return InvalidArgument("Unknown signal ", message.signal().name());
        process_->Signal(number);
        return absl::OkStatus();
      }
      default: return absl::OkStatus();
    }
  }
  void Kill() { process_->Kill(); }

 private:
  bool Has(uint32_t fd) const { return std::find(fds_.begin(), fds_.end(), fd) != fds_.end(); }
  api::ExecMessage Message() const {
    api::ExecMessage message;
    message.set_processid(id_);
    return message;
  }
  absl::Status TakeFile(const CancelToken& cancel, const api::FdMessage& file) {
    if (file.fd() != 0 || input_ == nullptr) return Error(absl::StatusCode::kOutOfRange, "fd ", file.fd(), " unavailable to write");
    if (!file.data().empty()) input_->Add(cancel, file.data());
    if (file.eof()) input_->End();
    return absl::OkStatus();
  }

  ExecStream& stream_;
  const std::string id_;
  std::vector<uint32_t> fds_;
  std::unique_ptr<InputQueue> input_;
  Guarded<bool> started_;
  std::unique_ptr<ContainerProcess> process_;
};

class Session {
 public:
  Session(const CancelToken& cancel, ExecStream& stream, const ContainerFinder& find) : cancel_(cancel), stream_(stream), find_(find) {}
  ~Session() {
    Kill();
    finishing_.Wait();
  }
  void Kill() {
    for (auto& [id, process] : processes_) process->Kill();
  }
  absl::Status Run() {
    api::ExecMessage message;
    while (stream_.Read(message)) BK_RETURN_IF_ERROR(Take(message));
    BK_RETURN_IF_ERROR(cancel_.Check());
    // Half-closed: what runs goes on.
    CancelCallback on_cancel(cancel_, [this] { Kill(); });
    finishing_.Wait();
    return cancel_.Check();
  }

 private:
  absl::Status Take(const api::ExecMessage& message) {
    const std::string& id = message.processid();
    if (id.empty()) return InvalidArgument("ProcessID required");
    auto found = processes_.find(id);
    if (message.has_init()) {
      if (found != processes_.end()) return AlreadyExists("Process ", id, " already exists");
      return Begin(id, message.init());
    }
    if (message.Input_case() == api::ExecMessage::INPUT_NOT_SET) return absl::OkStatus();
    if (found == processes_.end()) return NotFound("IO for process ", Quote(id), " not found");
    return found->second->Take(cancel_, message);
  }
  absl::Status Begin(const std::string& id, const api::InitMessage& init) {
    auto container = find_(init.containerid());
    if (container == nullptr) return NotFound("container ", Quote(init.containerid()), " previously released or not created");
    auto process = std::make_unique<StreamProcess>(stream_, id);
    BK_RETURN_IF_ERROR(process->Start(cancel_, *container, init));
    finishing_.Run([p = process.get()] { p->Finish(); });
    processes_[id] = std::move(process);
    return absl::OkStatus();
  }

  const CancelToken& cancel_;
  ExecStream& stream_;
  const ContainerFinder& find_;
  std::map<std::string, std::unique_ptr<StreamProcess>> processes_;
  TaskGroup finishing_;
};

}  // namespace

absl::Status ServeExec(const CancelToken& cancel, ExecStream& stream, const ContainerFinder& find) {
  CancelCallback stop(cancel, [&] { stream.StopReading(); });
  Session session(cancel, stream, find);
  return session.Run();
}

int SignalNumber(const std::string& name) {
  for (int number = 1; number < 32; number++) {
    if (const char* known = sigabbrev_np(number); known != nullptr && name == known) return number;
  }
  static const std::map<std::string, int> kOthers = {{"CLD", SIGCHLD}, {"IOT", SIGABRT}, {"IO", SIGIO}, {"POLL", SIGPOLL}, {"RTMIN", SIGRTMIN}, {"RTMAX", SIGRTMAX}};
  if (auto other = kOthers.find(name); other != kOthers.end()) return other->second;
  bool from_below = name.starts_with("RTMIN+");
  if (!from_below && !name.starts_with("RTMAX-")) return 0;
  std::string digits = name.substr(6);
  if (digits.empty() || digits.size() > 2 || !std::all_of(digits.begin(), digits.end(), [](unsigned char c) { return std::isdigit(c); })) return 0;
  int number = from_below ? SIGRTMIN + std::stoi(digits) : SIGRTMAX - std::stoi(digits);
  return number >= SIGRTMIN && number <= SIGRTMAX ? number : 0;
}

}  // namespace bk::frontend::gateway
