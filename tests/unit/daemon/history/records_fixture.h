// Records of builds in a store of their own.
#pragma once

#include "daemon/history/records.h"
#include "tests/unit/daemon/cache/store_fixture.h"

namespace bk::history {

struct RecordsFixture : cache::StoreFixture {
  std::unique_ptr<Records> records;
  Limits limits;

  explicit RecordsFixture(Limits l = {}) : limits(l) { OpenRecords(); }
  void OpenRecords() {
    records = std::make_unique<Records>(RecordsParts{.db = &store->database(),
                                                     .content = &store->content(),
                                                     .leases = &store->leases(),
                                                     .remove_blob = [this](const Digest& digest) { return store->RemoveUnkeptBlob(digest); },
                                                     .limits = limits});
    REQUIRE(records->Load().ok());
  }
  // As after the end of the daemon and its next start.
  void Restart() {
    records.reset();
    Open();
    OpenRecords();
  }
  moby::buildkit::v1::Descriptor Blob(const std::string& bytes, const std::string& media_type = "text/plain") {
    Digest digest = DigestOf(bytes);
    REQUIRE(store->content().Put(bytes, digest).ok());
    moby::buildkit::v1::Descriptor descriptor;
    descriptor.set_media_type(media_type);
    descriptor.set_digest(digest.str());
    descriptor.set_size(static_cast<int64_t>(bytes.size()));
    return descriptor;
  }
  bool HasBlob(const std::string& bytes) { return store->content().Has(DigestOf(bytes)); }
  // A build that ended at that second, with a log of its own.
  Record Ended(const std::string& ref, int64_t second) {
    Record record;
    record.set_ref(ref);
    record.mutable_createdat()->set_seconds(second - 1);
    record.mutable_completedat()->set_seconds(second);
    *record.mutable_logs() = Blob("log of " + ref);
    return record;
  }
  void Put(const std::string& ref, int64_t second = 1) { REQUIRE(records->Put(Ended(ref, second)).ok()); }
  std::string Refs() {
    std::string refs;
    auto all = records->All();
    REQUIRE(all.ok());
    for (const Record& record : *all) refs += record.ref() + " ";
    return refs;
  }
};

}  // namespace bk::history
