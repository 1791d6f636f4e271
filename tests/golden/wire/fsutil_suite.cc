// wire/fsutil: whole transfers packet by packet (kind transfer), and ends that do not keep to the protocol. [FST-001 … FST-010, FST-014, FST-017, FST-019 … FST-021, FST-026, RPC-074]
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <map>
#include <thread>

#include "base/ignore_pattern.h"
#include "base/os/file.h"
#include "proto/fsutil/receiver.h"
#include "proto/fsutil/sender.h"
#include "tests/golden/wire/packets.h"
#include "tests/golden/wire/suites.h"

namespace bk::golden::wire {
namespace {

using fsutil::Packet;
using fsutil::Stat;

std::vector<std::string> Strings(const Json& value) { return value.is_array() ? value.get<std::vector<std::string>>() : std::vector<std::string>(); }

// Go prints names that are not UTF-8 as the map that stands for them.
std::string ChangeName(const std::string& path) {
  Json name = TextOrBase64(path);
  return name.is_string() ? path : "map[b64:" + name["b64"].get<std::string>() + "]";
}

class Recorder : public fsutil::ChangeObserver {
 public:
  class Length : public Hasher {
   public:
    void Update(std::string_view data) override { hash.Update(data); }
    Digest Finish() override { return hash.FinishDigest(); }
    Sha256 hash;
  };
  std::unique_ptr<Hasher> NewHasher(const Stat&) override { return std::make_unique<Length>(); }
  absl::Status Written(const Stat& stat, const Digest& digest, bool replaced) override {
    if (digest.empty()) return Internal("no digest of ", stat.path());
    changes.push_back(StrCat(replaced ? "modify " : "add ", ChangeName(stat.path())));
    return absl::OkStatus();
  }
  absl::Status Deleted(const std::string& path) override {
    changes.push_back("delete " + ChangeName(path));
    return absl::OkStatus();
  }
  std::vector<std::string> changes;
};

absl::StatusOr<Json> WalkJson(const std::string& root) {
  Json out = Json::array();
  BK_RETURN_IF_ERROR(fsutil::Walk(CancelToken::Never(), root, {}, [&](Stat& stat) -> absl::Status {
    out.push_back(StatJson(stat));
    return absl::OkStatus();
  }));
  return out;
}

// Where the cases say $T, any time will do.
void BlurTimes(const Json& want, Json& got) {
  for (size_t i = 0; i < want.size() && i < got.size(); i++) {
    if (want[i].value("modTime", "") == "$T") got[i]["modTime"] = "$T";
  }
}

absl::Status CheckDest(const Json& expect, const std::string& dest) {
  if (!expect.contains("dest_after")) return absl::OkStatus();
  Json want = expect["dest_after"].is_null() ? Json::array() : expect["dest_after"];
  BK_TRY(Json got, WalkJson(dest));
  BlurTimes(want, got);
  return ExpectJson("dest_after", got, want);
}

// Stats with their ids as the sender's packets have them.
Json StatsJson(const std::vector<Packet>& packets) {
  Json out = Json::array();
  int id = 0;
  for (const Packet& packet : packets) {
    if (packet.type() != Packet::PACKET_STAT) continue;
    std::string wire = Base64Encode(packet.SerializeAsString());
    if (packet.has_stat()) {
      out.push_back({{"id", id++}, {"stat", StatJson(packet.stat())}, {"wire", wire}});
    } else {
      out.push_back({{"end", true}, {"wire", wire}});
    }
  }
  return out;
}

// The order of several attributes inside a packet is free.
void DropFreeOrder(Json& stats) {
  for (Json& entry : stats) {
    if (entry.contains("stat") && entry["stat"].value("xattrs", Json::object()).size() > 1) entry.erase("wire");
  }
}

absl::Status CheckPackets(const Json& expect, const std::vector<Packet>& from_sender, const std::vector<Packet>& from_receiver) {
  Json stats = StatsJson(from_sender), want = expect["stats"];
  DropFreeOrder(stats);
  DropFreeOrder(want);
  BK_RETURN_IF_ERROR(ExpectJson("stats", stats, want));
  std::vector<uint32_t> requests;
  for (const Packet& packet : from_receiver) {
    if (packet.type() == Packet::PACKET_REQ) requests.push_back(packet.id());
  }
  std::sort(requests.begin(), requests.end());
  BK_RETURN_IF_ERROR(ExpectJson("requests", requests, expect["requests"]));
  Json sizes = Json::object();
  for (const Packet& packet : from_sender) {
    if (packet.type() == Packet::PACKET_DATA) sizes[std::to_string(packet.id())].push_back(packet.data().size());
  }
  BK_RETURN_IF_ERROR(ExpectJson("data_sizes", sizes, expect["data_sizes"]));
  auto last = [](const std::vector<Packet>& packets) { return !packets.empty() && packets.back().type() == Packet::PACKET_FIN; };
  return last(from_sender) && last(from_receiver) ? absl::OkStatus() : Internal("FIN is not the last packet of both");
}

fsutil::WalkOptions WalkOptionsOf(const Json& sender) {
  fsutil::WalkOptions options;
  options.include_patterns = Strings(sender.value("include", Json()));
  options.exclude_patterns = Strings(sender.value("exclude", Json()));
  options.follow_paths = Strings(sender.value("follow", Json()));
  if (sender.value("reset_ids", false)) options.map = &fsutil::ResetOwner;
  return options;
}

absl::StatusOr<fsutil::ReceiveOptions> ReceiveOptionsOf(const Json& receiver) {
  fsutil::ReceiveOptions options;
  options.merge = receiver.value("merge", false);
  options.differ = receiver.value("differ", "metadata") == "none" ? fsutil::Differ::kNone : fsutil::Differ::kMetadata;
  if (receiver.value("metadata_only", false)) {
    BK_TRY(PatternMatcher made, PatternMatcher::Create(Strings(receiver.value("metadata_only_except", Json()))));
    auto matcher = std::make_shared<PatternMatcher>(std::move(made));
    options.metadata_exception = [matcher](const Stat& stat) { return !matcher->empty() && matcher->MatchesOrParentMatches(stat.path()).value_or(false); };
  }
  return options;
}

// The path of a file that the cases let vanish between its Stat and the request: listed with data, sent without any, and
// no pattern says why. "" for other ids.
std::string Vanishing(const Json& c, uint32_t id) {
  const Json& sizes = c["expect"]["data_sizes"];
  auto it = sizes.find(std::to_string(id));
  if (it == sizes.end() || it->size() != 1 || !c["sender"].empty()) return "";
  Json stat = c["expect"]["stats"][id]["stat"];
  return stat.contains("size") ? stat["path"].get<std::string>() : "";
}

absl::Status Transfer(const Json& c, const std::string& tree, const std::string& dest) {
  const Json& expect = c["expect"];
  BK_TRY(fsutil::ReceiveOptions options, ReceiveOptionsOf(c["receiver"]));
  Recorder recorder;
  options.observer = &recorder;
  Channel forth, back;
  PipeStream sender(&forth, &back), receiver(&back, &forth);
  receiver.before_send = [&](const Packet& packet) {
    std::string path = packet.type() == Packet::PACKET_REQ ? Vanishing(c, packet.id()) : "";
    if (!path.empty()) unlink((tree + "/" + path).c_str());
  };
  absl::Status sent, received;
  std::thread sending([&] {
    sent = fsutil::SendTree(CancelToken::Never(), sender, tree, WalkOptionsOf(c["sender"]));
    sender.Finish().IgnoreError();
    if (!sent.ok()) sender.Cancel();
  });
  received = fsutil::ReceiveTree(CancelToken::Never(), receiver, dest, options);
  receiver.Finish().IgnoreError();
  sending.join();
  if (expect.contains("filter_error")) return ExpectText("filter_error", Message(sent), expect["filter_error"].get<std::string>());
  BK_RETURN_IF_ERROR(sent);
  BK_RETURN_IF_ERROR(received);
  BK_RETURN_IF_ERROR(CheckPackets(expect, forth.sent, back.sent));
  std::sort(recorder.changes.begin(), recorder.changes.end());
  Json want = expect["changes"].is_null() ? Json::array() : expect["changes"];
  BK_RETURN_IF_ERROR(ExpectJson("changes", recorder.changes, want));
  BK_RETURN_IF_ERROR(CheckDest(expect, dest));
  if (!expect.contains("metadata_file")) return absl::OkStatus();
  BK_TRY(std::string list, os::ReadFile(dest + "/.fsutil-metadata"));
  return ExpectText("metadata_file", Base64Encode(list), expect["metadata_file"].get<std::string>());
}

// Feeds `input` to one side and checks what it answers. A sender gets it when its list is out, as in the cases.
absl::Status Misbehave(const Json& c, const char* error_key, const std::function<absl::Status(fsutil::Stream&)>& run) {
  const Json& expect = c["expect"];
  Channel in, out;
  std::deque<Packet> packets;
  Json input = c["input"].is_array() ? c["input"] : Json::array();
  for (const Json& entry : input) {
    if (!packets.emplace_back().ParseFromString(*Base64Decode(entry["wire"].get<std::string>()))) return Internal("bad packet in the case");
  }
  auto feed = [&] {
    in.state.Change([&](Channel::State& s) {
      s.queue = packets;
      s.ended = true;
    });
  };
  PipeStream stream(&out, &in);
  if (c["kind"] == "bad-sender") {
    feed();
  } else {
    stream.before_send = [&](const Packet& packet) {
      if (packet.type() == Packet::PACKET_STAT && !packet.has_stat()) feed();
    };
  }
  absl::Status status = run(stream);
  if (expect[error_key] == "$WAITS") {
    // The reference hangs until it is cancelled; an error is as good, success is not.
    return status.ok() ? Internal("the transfer counts as complete") : absl::OkStatus();
  }
  BK_RETURN_IF_ERROR(ExpectText(error_key, Message(status), expect[error_key].is_null() ? "" : expect[error_key].get<std::string>()));
  Json answers = Json::array();
  for (const Packet& packet : out.sent) answers.push_back(PacketJson(packet));
  // Packets for different files may come in any order: here the list comes first, as in the cases.
  std::stable_sort(answers.begin(), answers.end(), [](const Json& a, const Json& b) { return a["type"] == "PACKET_STAT" && b["type"] != "PACKET_STAT"; });
  Json want = Json::array();
  for (Json packet : expect["answers"]) want.push_back(std::move(packet));
  return ExpectJson("answers", answers, want);
}

}  // namespace

absl::Status RunFsutil(const Json& given, const std::string&) {
  umask(022);
  Json c = given;
  NormalizeAttributes(c["expect"]);
  BK_TRY(os::TempDir temp, os::TempDir::Make("golden-fsutil-"));
  std::string tree = temp.path() + "/tree", dest = temp.path() + "/dest";
  BK_RETURN_IF_ERROR(os::MakeDirs(tree, 0755));
  BK_RETURN_IF_ERROR(os::MakeDirs(dest, 0755));
  BK_RETURN_IF_ERROR(MakeTree(tree, c.value("tree", Json::array())));
  BK_RETURN_IF_ERROR(MakeTree(dest, c.value("dest", Json::array())));
  std::string kind = c["kind"];
  if (kind == "transfer") return Transfer(c, tree, dest);
  if (kind == "bad-receiver") {
    return Misbehave(c, "sender_error", [&](fsutil::Stream& stream) { return fsutil::SendTree(CancelToken::Never(), stream, tree, {}); });
  }
  BK_RETURN_IF_ERROR(Misbehave(c, "receiver_error", [&](fsutil::Stream& stream) { return fsutil::ReceiveTree(CancelToken::Never(), stream, dest, {}); }));
  return CheckDest(c["expect"], dest);
}

}  // namespace bk::golden::wire
