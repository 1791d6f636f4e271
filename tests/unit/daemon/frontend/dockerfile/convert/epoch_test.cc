#include <archive.h>
#include <archive_entry.h>
#include <doctest/doctest.h>

#include <memory>

#include "daemon/frontend/dockerfile/convert/archive_time.h"
#include "daemon/frontend/dockerfile/convert/epoch.h"
#include "daemon/frontend/dockerfile/frontend.h"
#include "tests/unit/daemon/frontend/dockerfile/file_bridge.h"
#include "tests/unit/support/archive_filter.h"

using namespace bk;
using dockerfile::Epoch;

namespace {

// A tar file, packed by `filter`.
std::string Archive(int filter, const std::vector<std::tuple<std::string, mode_t, int64_t, long>>& entries) {
  std::string out(1 << 20, '\0');
  size_t used = 0;
  std::unique_ptr<archive, int (*)(archive*)> a(archive_write_new(), &archive_write_free);
  archive_write_set_format_pax(a.get());
  REQUIRE(AddFilter(a.get(), filter) == ARCHIVE_OK);
  REQUIRE(archive_write_open_memory(a.get(), out.data(), out.size(), &used) == ARCHIVE_OK);
  for (const auto& [name, type, seconds, nanos] : entries) {
    std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(), &archive_entry_free);
    archive_entry_set_pathname(entry.get(), name.c_str());
    archive_entry_set_filetype(entry.get(), type);
    archive_entry_set_perm(entry.get(), 0644);
    archive_entry_set_mtime(entry.get(), seconds, nanos);
    archive_entry_set_size(entry.get(), 0);
    REQUIRE(archive_write_header(a.get(), entry.get()) == ARCHIVE_OK);
  }
  REQUIRE(archive_write_close(a.get()) == ARCHIVE_OK);
  out.resize(used);
  return out;
}

absl::StatusOr<std::optional<Epoch>> Newest(const std::string& bytes) {
  return dockerfile::NewestInArchive([&](int64_t offset, int64_t length) -> absl::StatusOr<std::string> {
    return bytes.substr(std::min(static_cast<size_t>(offset), bytes.size()), static_cast<size_t>(length));
  });
}

std::string TextOf(const absl::StatusOr<std::optional<Epoch>>& epoch) {
  if (!epoch.ok()) return Message(epoch.status());
  if (!*epoch) return "none";
  auto text = (*epoch)->Text();
  return text.ok() ? *text : Message(text.status());
}

std::string Commit(const std::string& committer) { return "tree t\nauthor A <a@b> 1 +0000\ncommitter " + committer + "\n\ncommitter B <b> 2 +0000\n"; }

// A URL whose server says no time.
class UrlBridge final : public FileBridge {
 public:
  using FileBridge::FileBridge;
  std::string content;
  absl::StatusOr<frontend::SourceMetadata> ResolveSourceMeta(const CancelToken&, const pb::SourceOp& source, const ResolveOptions&) override {
    frontend::SourceMetadata out;
    out.identifier = source.identifier();
    out.http.emplace();
    return out;
  }
  absl::StatusOr<std::string> ReadFile(const CancelToken& cancel, frontend::Ref& ref, const std::string& path, int64_t offset, int64_t length) override {
    if (path != "f.tar") return FileBridge::ReadFile(cancel, ref, path, offset, length);
    return content.substr(std::min(static_cast<size_t>(offset), content.size()), static_cast<size_t>(length));
  }
};

}  // namespace

TEST_CASE("a committer's time keeps its zone; names may have brackets") {  // DFE-064
  CHECK(TextOf(dockerfile::CommitterTime(Commit("C <c@d> 1650000000 +0200"))) == "2022-04-15T07:20:00+02:00");
  CHECK(TextOf(dockerfile::CommitterTime(Commit("C <x> <c@d> 1650000000 -0030"))) == "2022-04-15T04:50:00-00:30");
  CHECK(TextOf(dockerfile::CommitterTime(Commit("C <c@d>  0   +0000 "))) == "1970-01-01T00:00:00Z");
  for (const char* bad : {"C", "C <c@d>", "C <c@d> 5", "C <c@d> x +0000", "C <c@d> 5 0000", "> C < 5 +0000"}) CHECK(TextOf(dockerfile::CommitterTime(Commit(bad))) == "none");
  CHECK(TextOf(dockerfile::CommitterTime("tree t\nauthor a\n\ncommitter C <c> 5 +0000\n")) == "invalid commit object: missing committer header");
  CHECK(TextOf(dockerfile::CommitterTime("object x\ntype commit\n")) == "not a commit object");
}

TEST_CASE("times that RFC 3339 cannot say are refused") {
  CHECK(TextOf(Epoch{253402300799, 0, 0}) == "9999-12-31T23:59:59Z");
  CHECK(TextOf(Epoch{253402300800, 0, 0}) == "year outside of range [0,9999]");
  CHECK(TextOf(Epoch{253402300799, 0, 60}) == "year outside of range [0,9999]");
  CHECK(TextOf(Epoch{-62167219200, 500000000, 0}) == "0000-01-01T00:00:00.5Z");
  CHECK(TextOf(Epoch{INT64_MAX, 0, 0}) == "year outside of range [0,9999]");
  CHECK(TextOf(Epoch{0, 0, 86400}) == "timezone hour outside of range [0,23]");
}

TEST_CASE("the newest regular file of an archive counts, however it is packed") {  // DFE-064
  for (int filter : {ARCHIVE_FILTER_NONE, ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_XZ, ARCHIVE_FILTER_ZSTD, ARCHIVE_FILTER_BZIP2}) {
    CHECK(TextOf(Newest(Archive(filter, {{"d", AE_IFDIR, 900, 0}, {"a", AE_IFREG, 500, 7}, {"b", AE_IFREG, 500, 120000000}, {"c", AE_IFREG, 100, 0}}))) == "1970-01-01T00:08:20.12Z");
  }
  CHECK(TextOf(Newest(Archive(ARCHIVE_FILTER_NONE, {{"d", AE_IFDIR, 900, 0}}))) == "none");
  CHECK(TextOf(Newest("no archive at all")) == "none");
  CHECK(TextOf(Newest("")) == "none");
}

TEST_CASE("an archive that cannot be read is an error, not a build without time") {
  auto broken = dockerfile::NewestInArchive([](int64_t, int64_t) -> absl::StatusOr<std::string> { return Unavailable("gone"); });
  CHECK(TextOf(broken) == "gone");
}

TEST_CASE("a URL without Last-Modified has the time of its archive's newest file") {  // DFE-064
  UrlBridge bridge("ARG WHERE=f.tar\nARG SOURCE_DATE_EPOCH=when\nFROM scratch AS when\nARG WHERE\nADD https://host/${WHERE} /\nFROM a\nRUN x\n");
  bridge.content = Archive(ARCHIVE_FILTER_GZIP, {{"a", AE_IFREG, 1000, 0}});
  auto result = dockerfile::DockerfileFrontend([](std::string_view) { return true; }).Solve(CancelToken::Never(), bridge, {}, {});
  REQUIRE_MESSAGE(result.ok(), Message(result.status()));
  CHECK(result->metadata["source.date.epoch"] == "1000");
  bridge.content = "plain";
  result = dockerfile::DockerfileFrontend([](std::string_view) { return true; }).Solve(CancelToken::Never(), bridge, {}, {});
  REQUIRE_MESSAGE(result.ok(), Message(result.status()));
  CHECK_FALSE(result->metadata.contains("source.date.epoch"));
}

TEST_CASE("a word that can name neither context nor stage is no time") {
  for (const auto& [value, error] : {std::pair("yesterday", "invalid SOURCE_DATE_EPOCH: yesterday"), std::pair("Yesterday", "invalid context name Yesterday: ")}) {
    FileBridge bridge("FROM a\n");
    auto result = dockerfile::DockerfileFrontend([](std::string_view) { return true; }).Solve(CancelToken::Never(), bridge, {{"build-arg:SOURCE_DATE_EPOCH", value}}, {});
    REQUIRE_FALSE(result.ok());
    CHECK(Message(result.status()).find(error) == 0);
  }
}
