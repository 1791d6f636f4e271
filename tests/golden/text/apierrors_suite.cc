// What a running daemon answers to single calls: code, message and details of errors, or the response.
#include <google/protobuf/util/json_util.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "content/content.pb.h"
#include "control/control.pb.h"
#include "errors/status.pb.h"
#include "external/health.pb.h"
#include "external/trace.pb.h"
#include "frontend/gateway.pb.h"
#include "tests/golden/text/real_daemon.h"
#include "tests/golden/text/suites.h"

namespace bk::golden::text {
namespace {

constexpr std::chrono::seconds kCallLimit{60};
constexpr std::string_view kStackDetail = "stack.Stack+json";
constexpr size_t kOversizedBytes = 17'825'792;

struct Answer {
  grpc::Status status;
  std::vector<std::string> messages;
};

grpc::ByteBuffer BufferOf(const std::string& bytes) {
  grpc::Slice slice(bytes);
  return {&slice, 1};
}

std::string BytesOf(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (buffer.Dump(&slices).ok()) {
    for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

// One call of any kind: a message or none, then everything that comes back.
Answer Call(const std::string& address, const std::string& method, const Json& metadata, const std::string* request) {
  grpc::GenericStub stub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallLimit);
  for (const auto& [key, value] : metadata.items()) context.AddMetadata(key, value.get<std::string>());
  grpc::CompletionQueue queue;
  auto call = stub.PrepareCall(&context, method, &queue);
  auto done = [&] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  Answer answer;
  call->StartCall(nullptr);
  bool open = done();
  if (open && request != nullptr) {
    call->Write(BufferOf(*request), nullptr);
    open = done();
  }
  if (open) {
    call->WritesDone(nullptr);
    open = done();
  }
  while (open) {
    grpc::ByteBuffer message;
    call->Read(&message, nullptr);
    open = done();
    if (open) answer.messages.push_back(BytesOf(message));
  }
  call->Finish(&answer.status, nullptr);
  done();
  return answer;
}

// "/package.Service/Method" of the contract; null if it is none.
const google::protobuf::MethodDescriptor* Find(std::string method) {
  // Otherwise the linker leaves out what nothing here names.
  google::protobuf::LinkMessageReflection<moby::buildkit::v1::SolveRequest>();
  google::protobuf::LinkMessageReflection<moby::buildkit::v1::frontend::PingRequest>();
  google::protobuf::LinkMessageReflection<containerd::services::content::v1::InfoRequest>();
  google::protobuf::LinkMessageReflection<grpc::health::v1::HealthCheckRequest>();
  google::protobuf::LinkMessageReflection<opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest>();
  method.erase(0, 1);
  std::replace(method.begin(), method.end(), '/', '.');
  return google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(method);
}

std::unique_ptr<google::protobuf::Message> New(const google::protobuf::Descriptor* type) {
  return std::unique_ptr<google::protobuf::Message>(google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
}

absl::StatusOr<std::string> Request(const google::protobuf::MethodDescriptor* method, Json json) {
  if (method == nullptr) return std::string();
  if (json.contains("generated")) json = {{"Ref", "golden-big"}, {"FrontendAttrs", {{"a", std::string(kOversizedBytes, 'x')}}}};
  auto message = New(method->input_type());
  auto parsed = google::protobuf::util::JsonStringToMessage(json.dump(), message.get());
  if (!parsed.ok()) return Internal("bad request in the case: ", std::string(parsed.message()));
  return message->SerializeAsString();
}

Json Response(const google::protobuf::MethodDescriptor* method, const std::string& bytes) {
  auto message = New(method->output_type());
  std::string text;
  if (!message->ParseFromString(bytes) || !google::protobuf::util::MessageToJsonString(*message, &text).ok()) return {};
  return Json::parse(text);
}

Json DetailsOf(const grpc::Status& status) {
  google::rpc::Status proto;
  proto.ParseFromString(status.error_details());
  Json details = Json::array();
  for (const auto& detail : proto.details()) {
    if (!detail.type_url().ends_with(kStackDetail)) details.push_back({{"json", Json::parse(detail.value(), nullptr, false)}, {"type_url", detail.type_url()}});
  }
  return details;
}

// Words of the libraries for gRPC, protobuf and JSON are not compared, only what stands before them.
absl::Status ExpectMessage(const std::string& got, std::string want) {
  for (const char* library : {"grpc: ", "unknown method ", "unknown service ", "proto: ", "invalid character '"}) {
    size_t at = want.find(library);
    if (at == std::string::npos) continue;
    want.resize(at);
    return ExpectPattern("message", got.substr(0, at), want);
  }
  return ExpectPattern("message", got, want);
}

}  // namespace

absl::Status RunApiErrors(const Json& c, const std::string&) {
  const Json &input = c.at("input"), &expect = c.at("expect");
  BK_TRY(const RealDaemon* daemon, RealDaemon::Get());
  const std::string name = input.at("method").get<std::string>();
  const auto* method = Find(name);
  if (method == nullptr && expect.at("code") != static_cast<int>(grpc::StatusCode::UNIMPLEMENTED)) return Internal("no method of the contract: ", name);
  std::string request;
  if (input.contains("request")) BK_ASSIGN(request, Request(method, input.at("request")));
  Answer answer = Call(daemon->address(), name, input.value("metadata", Json::object()), input.contains("request") ? &request : nullptr);
  std::string message = answer.status.error_message();
  BK_RETURN_IF_ERROR(Annotate(ExpectJson("code", Json(static_cast<int>(answer.status.error_code())), expect.at("code")), message));
  if (expect.contains("response") && answer.messages.size() == 1) {
    return ExpectJsonPattern("response", Response(method, answer.messages[0]), expect.at("response"));
  }
  if (answer.status.ok()) return absl::OkStatus();
  std::string want = expect.at("message").get<std::string>();
  BK_RETURN_IF_ERROR(ExpectMessage(message, want));
  return ExpectJsonPattern("details", DetailsOf(answer.status), expect.value("details", Json::array()));
}

}  // namespace bk::golden::text
