#include "daemon/llb/load/op_codec.h"

#include <google/protobuf/descriptor.h>

#include "base/unicode.h"

namespace bk::llb {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

constexpr int kMaxDepth = 100;  // of messages in messages, as protobuf's parser

enum WireType : unsigned { kVarint = 0, kFixed64 = 1, kSized = 2, kGroup = 3, kGroupEnd = 4, kFixed32 = 5 };

// Takes bytes off the front; `error` stays set once something was wrong.
struct Reader {
  std::string_view rest;
  const char* error = nullptr;

  uint64_t Varint() {
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      if (shift >= 64) return Fail("proto: integer overflow");
      if (rest.empty()) return Fail("unexpected EOF");
      auto byte = static_cast<unsigned char>(rest.front());
      rest.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }
  std::string_view Take(uint64_t size) {
    if (size > rest.size()) {
      Fail("unexpected EOF");
      return {};
    }
    std::string_view taken = rest.substr(0, size);
    rest.remove_prefix(size);
    return taken;
  }
  uint64_t Fail(const char* what) {
    if (error == nullptr) error = what;
    return 0;
  }
};

WireType WireTypeOf(const FieldDescriptor* field) {
  switch (field->type()) {
    case FieldDescriptor::TYPE_DOUBLE:
    case FieldDescriptor::TYPE_FIXED64:
    case FieldDescriptor::TYPE_SFIXED64: return kFixed64;
    case FieldDescriptor::TYPE_FLOAT:
    case FieldDescriptor::TYPE_FIXED32:
    case FieldDescriptor::TYPE_SFIXED32: return kFixed32;
    case FieldDescriptor::TYPE_STRING:
    case FieldDescriptor::TYPE_BYTES:
    case FieldDescriptor::TYPE_MESSAGE:
    case FieldDescriptor::TYPE_GROUP: return kSized;
    default: return kVarint;
  }
}

absl::Status SkipValue(Reader& in, unsigned wire_type) {
  int groups = 0;
  do {
    switch (wire_type) {
      case kVarint: in.Varint(); break;
      case kFixed64: in.Take(8); break;
      case kSized: in.Take(in.Varint()); break;
      case kGroup: groups++; break;
      case kGroupEnd:
        if (groups-- == 0) return Unknown("proto: unexpected end of group");
        break;
      case kFixed32: in.Take(4); break;
      default: return Unknown("proto: illegal wireType ", wire_type);
    }
    if (groups > kMaxDepth) return Unknown("proto: groups nested too deeply");
    if (groups > 0) wire_type = static_cast<unsigned>(in.Varint() & 7);
  } while (groups > 0 && in.error == nullptr);
  return in.error == nullptr ? absl::OkStatus() : Unknown(in.error);
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    DecodedRune decoded = DecodeRune(text);
    if (decoded.rune == kRuneError && decoded.width == 1) return false;
    text.remove_prefix(decoded.width);
  }
  return true;
}

// `valid_text` is cleared by a string that is not UTF-8.
absl::Status CheckWire(std::string_view bytes, const Descriptor* message, int depth, bool& valid_text);

absl::Status CheckField(Reader& in, const FieldDescriptor* field, unsigned wire_type, int depth, bool& valid_text) {
  WireType wanted = WireTypeOf(field);
  bool packed = field->is_packable() && wire_type == kSized;
  if (wire_type != wanted && !packed) return Unknown("proto: wrong wireType = ", wire_type, " for field ", field->name());
  if (wanted != kSized) return SkipValue(in, wire_type);
  std::string_view value = in.Take(in.Varint());
  if (in.error != nullptr) return Unknown(in.error);
  if (field->type() == FieldDescriptor::TYPE_MESSAGE) return CheckWire(value, field->message_type(), depth + 1, valid_text);
  if (field->type() == FieldDescriptor::TYPE_STRING && !IsUtf8(value)) valid_text = false;
  return absl::OkStatus();
}

// Recursion is bounded by `depth`.
absl::Status CheckWire(std::string_view bytes, const Descriptor* message, int depth, bool& valid_text) {
  if (depth > kMaxDepth) return Unknown("proto: messages nested too deeply");
  Reader in{bytes};
  while (!in.rest.empty()) {
    uint64_t tag = in.Varint();
    if (in.error != nullptr) return Unknown(in.error);
    auto number = static_cast<int32_t>(tag >> 3);
    auto wire_type = static_cast<unsigned>(tag & 7);
    if (wire_type == kGroupEnd) return Unknown("proto: ", message->name(), ": wiretype end group for non-group");
    if (number <= 0) return Unknown("proto: ", message->name(), ": illegal tag ", number, " (wire type ", wire_type, ")");
    const FieldDescriptor* field = message->FindFieldByNumber(number);
    BK_RETURN_IF_ERROR(field == nullptr ? SkipValue(in, wire_type) : CheckField(in, field, wire_type, depth, valid_text));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<pb::Op> DecodeOp(std::string_view bytes) {
  bool valid_text = true;
  if (absl::Status status = CheckWire(bytes, pb::Op::descriptor(), 0, valid_text); !status.ok()) {
    return Annotate(status, "failed to parse llb proto op");
  }
  pb::Op op;
  // The reference decodes such strings and fails when it encodes the op again.
  if (!valid_text || !op.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return Unknown("string field contains invalid UTF-8");
  return op;
}

}  // namespace bk::llb
