#include "daemon/source/http/key.h"

#include "base/go_json.h"
#include "daemon/source/http/date.h"

namespace bk::source::http {
namespace {

void WriteNumbers(GoJsonWriter& w, const HttpIdentifier& id) {
  for (auto [key, value] : {std::pair("Perm", id.perm), std::pair("UID", id.uid), std::pair("GID", id.gid)}) {
    w.Key(key);
    w.Int(value);
  }
}

void WriteText(GoJsonWriter& w, const char* key, const std::string& value) {
  if (value.empty()) return;
  w.Key(key);
  w.String(value);
}

void WriteRequest(GoJsonWriter& w, const HttpIdentifier& id) {
  WriteText(w, "AuthHeaderSecret", id.auth_header_secret);
  if (id.headers.empty()) return;
  w.Key("Header");
  w.BeginArray();
  for (const auto& [name, value] : id.headers) {
    w.BeginObject();
    w.Key("Name");
    w.String(name);
    w.Key("Value");
    w.String(value);
    w.EndObject();
  }
  w.EndArray();
}

}  // namespace

Digest CacheKeyOf(const HttpIdentifier& id, const Resolved& resolved) {
  GoJsonWriter w;
  w.BeginObject();
  w.Key("Filename");
  w.String(resolved.filename);
  WriteNumbers(w, id);
  w.Key("Checksum");
  w.String(resolved.digest.str());
  if (resolved.last_modified) WriteText(w, "LastModTime", FormatDate(*resolved.last_modified));
  WriteRequest(w, id);
  w.EndObject();
  return DigestOf(w.text());
}

Digest RequestKeyOf(const HttpIdentifier& id) {
  GoJsonWriter w;
  w.BeginObject();
  w.Key("URL");
  w.Bytes(id.url);
  w.Key("Filename");
  w.Bytes(id.filename);
  WriteNumbers(w, id);
  WriteRequest(w, id);
  w.EndObject();
  return DigestOf(w.text());
}

}  // namespace bk::source::http
