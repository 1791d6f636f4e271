// What a network namespace of steps has on disk: DIR/ID is its pin, DIR/ID.json says how it was attached. A daemon that
// crashed leaves them; the next one takes the networks away by them, whatever its own configuration is.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "sandbox/net/cni.h"

namespace bk::net {

struct NetworkRecord {
  NetworkList list;
  Attachment attachment;  // its id and netns follow from the place of the record, and are not written
  std::string result;  // of ADD, "" = it did not end
};

std::string RecordJson(const NetworkRecord& record);
absl::StatusOr<NetworkRecord> ParseRecord(const std::string& json);

// Makes the namespace, writes its record, and attaches it; nothing is left when it fails. Unknown `CNI setup error: …`.
absl::Status MakeNetwork(const CancelToken& cancel, const std::string& dir, NetworkRecord record);
// Takes the network ID of `dir` away: plugins, pin, record. What a plugin says is logged only.
void RemoveNetwork(const std::string& dir, const std::string& id);
// All of `dir`, and the bridge that NoteBridge names. Missing is fine.
void RemoveNetworks(const std::string& dir);

// The bridge that this daemon makes and removes at its end.
absl::Status NoteBridge(const std::string& dir, const std::string& name);

}  // namespace bk::net
