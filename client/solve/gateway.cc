#include "client/solve/gateway.h"

#include "base/suggest.h"
#include "client/solve/capabilities.h"
#include "frontend/gateway.grpc.pb.h"
#include "proto/wire/status_codec.h"

namespace bk::client {
namespace {

namespace api = moby::buildkit::v1::frontend;

constexpr char kBuildIdHeader[] = "buildkit-controlapi-buildid";
constexpr std::chrono::seconds kPingTimeout(15);
constexpr char kRequestId[] = "requestid", kFrontendCaps[] = "frontend.caps", kSubrequests[] = "moby.buildkit.frontend.subrequests";

class Gateway {
 public:
  Gateway(const CancelToken& cancel, Link& link, const GatewayRequest& request) : cancel_(cancel), link_(link), request_(request) {}

  absl::Status Ping(api::PongResponse& pong) {
    return Call([&](api::LLBBridge::Stub& stub, grpc::ClientContext* context) {
      context->set_deadline(std::chrono::system_clock::now() + kPingTimeout);
      return stub.Ping(context, {}, &pong);
    });
  }

  absl::Status Solve(api::SolveResponse& response) {
    api::SolveRequest solve;
    if (request_.definition.has_value()) *solve.mutable_definition() = *request_.definition;
    solve.set_frontend(request_.frontend);
    for (const auto& [key, value] : request_.attrs) (*solve.mutable_frontendopt())[key] = value;
    if (request_.attrs.contains(kRequestId) && !request_.attrs.contains(kFrontendCaps)) (*solve.mutable_frontendopt())[kFrontendCaps] = kSubrequests;
    for (const CacheEntry& entry : request_.cache_imports) {
      auto* import = solve.add_cacheimports();
      import->set_type(entry.type);
      import->mutable_attrs()->insert(entry.attrs.begin(), entry.attrs.end());
    }
    solve.set_allowresultreturn(true);
    solve.set_allowresultarrayref(true);
    return Call([&](api::LLBBridge::Stub& stub, grpc::ClientContext* context) { return stub.Solve(context, solve, &response); });
  }

  absl::Status Return(const api::ReturnRequest& request) {
    api::ReturnResponse response;
    return Call([&](api::LLBBridge::Stub& stub, grpc::ClientContext* context) { return stub.Return(context, request, &response); });
  }

 private:
  template <typename F>
  absl::Status Call(F&& call) {
    return link_.Call(cancel_, [&](const Connection& connection, grpc::ClientContext* context, bool) {
      context->AddMetadata(kBuildIdHeader, request_.ref);
      return call(*api::LLBBridge::NewStub(connection.channel()), context);
    });
  }
  const CancelToken& cancel_;
  Link& link_;
  const GatewayRequest& request_;
};

// A reference without an id is no result.
void Clean(api::Ref& ref) {
  if (ref.id().empty()) ref.Clear();
}

// What is handed back: the same result, in the form of today.
api::Result ToReturn(const api::SolveResponse& response) {
  if (!response.has_result()) {
    api::Result result;
    result.mutable_ref()->set_id(response.ref());
    return result;
  }
  api::Result result = response.result();
  switch (response.result().result_case()) {
    case api::Result::kRefDeprecated: result.mutable_ref()->set_id(response.result().refdeprecated()); break;
    case api::Result::kRefsDeprecated:
      for (const auto& [key, id] : response.result().refsdeprecated().refs()) (*result.mutable_refs()->mutable_refs())[key].set_id(id);
      break;
    case api::Result::kRef: Clean(*result.mutable_ref()); break;
    case api::Result::kRefs:
      for (auto& [key, ref] : *result.mutable_refs()->mutable_refs()) Clean(ref);
      break;
    case api::Result::RESULT_NOT_SET: result.mutable_ref(); break;
  }
  return result;
}

}  // namespace

absl::StatusOr<Attributes> RunGateway(const CancelToken& cancel, Link& link, const GatewayRequest& request) {
  Gateway gateway(cancel, link, request);
  api::PongResponse pong;
  BK_RETURN_IF_ERROR(gateway.Ping(pong));
  api::SolveResponse response;
  absl::Status solved = request.definition.has_value() ? CheckCapabilities(*request.definition, pong) : absl::OkStatus();
  if (solved.ok()) solved = gateway.Solve(response);
  api::ReturnRequest back;
  if (!solved.ok()) {
    *back.mutable_error() = wire::ToProto(solved);
    (void)gateway.Return(back);  // the build's own error is the one to show
    return WithMessage(solved, StrCat("failed to run Build function: ", ErrorText(solved)));
  }
  *back.mutable_result() = ToReturn(response);
  BK_RETURN_IF_ERROR(gateway.Return(back));
  Attributes metadata;
  if (request.attrs.contains(kRequestId)) metadata.insert(response.result().metadata().begin(), response.result().metadata().end());
  return metadata;
}

}  // namespace bk::client
