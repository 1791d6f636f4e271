// Protobuf bytes in the order that Go's encoder writes them; vertex digests are hashes of such bytes (trap 3).
//
// Per message: plain fields ascending, then the set oneof members ascending by oneof, then unknown fields. Map entries are
// sorted by key, key and value always written. Scalars with default value are dropped, empty present messages kept,
// repeated numbers packed. C++'s own serialiser writes strictly ascending and gives other digests. Thread-safe.
#pragma once

#include <string>

#include <google/protobuf/message.h>

namespace bk::llb {

std::string MarshalDeterministic(const google::protobuf::Message& message);

}  // namespace bk::llb
