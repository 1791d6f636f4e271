#include "daemon/registry/repository.h"

#include <charconv>

#include <nlohmann/json.hpp>

#include "base/go_url.h"

namespace bk::registry {
namespace {

constexpr int kMaxChallenges = 4;
constexpr int64_t kMaxRetryAfterMs = 30'000;
constexpr size_t kMaxServerErrors = 8;

std::string StatusText(int status) {
  static const std::map<int, const char*> kTexts = {
      {400, "Bad Request"},           {401, "Unauthorized"},     {403, "Forbidden"},       {404, "Not Found"},
      {405, "Method Not Allowed"},    {408, "Request Timeout"},  {409, "Conflict"},        {413, "Request Entity Too Large"},
      {416, "Requested Range Not Satisfiable"}, {429, "Too Many Requests"}, {500, "Internal Server Error"},
      {502, "Bad Gateway"},           {503, "Service Unavailable"}, {504, "Gateway Timeout"}};
  auto found = kTexts.find(status);
  return StrCat(status, found == kTexts.end() ? "" : " ", found == kTexts.end() ? "" : found->second);
}

// The texts of a distribution error body: "denied: requested access to the resource is denied".
std::string ServerErrors(const std::string& body) {
  auto json = nlohmann::json::parse(body, nullptr, false);
  if (!json.is_object() || !json.contains("errors") || !json["errors"].is_array()) return "";
  std::string out;
  size_t count = 0;
  for (const auto& error : json["errors"]) {
    if (!error.is_object() || ++count > kMaxServerErrors) continue;
    auto text = [&](const char* key) { return error.contains(key) && error[key].is_string() ? error[key].get<std::string>() : std::string(); };
    std::string code = text("code");
    for (char& c : code) c = c == '_' ? ' ' : static_cast<char>(tolower(static_cast<unsigned char>(c)));
    if (!out.empty()) out += ", ";
    out += text("message").empty() ? code : code + ": " + text("message");
  }
  return out;
}

}  // namespace

bool IsIndex(const std::string& type) { return type == media_type::kOciIndex || type == media_type::kDockerIndex; }
bool IsManifest(const std::string& type) { return type == media_type::kOciManifest || type == media_type::kDockerManifest; }
bool IsDocument(const std::string& type) { return type.ends_with("+json") || type.ends_with("/json"); }

absl::Status UnexpectedStatus(std::string_view method, std::string_view url, const HttpResponse& response) {
  absl::StatusCode code = absl::StatusCode::kUnknown;
  if (response.status == 404) code = absl::StatusCode::kNotFound;
  if (response.status == 401 || response.status == 403) code = absl::StatusCode::kPermissionDenied;
  if (IsTransientStatus(response.status)) code = absl::StatusCode::kUnavailable;
  std::string errors = ServerErrors(response.body);
  return Error(code, "unexpected status from ", method, " request to ", url.substr(0, url.find('?')), ": ", StatusText(response.status),
               errors.empty() ? "" : ": ", errors);
}

absl::Status UnexpectedStatus(const HttpRequest& request, const HttpResponse& response) {
  return UnexpectedStatus(request.method, request.url, response);
}

absl::StatusOr<Repository> Repository::Open(Registry& registry, const std::string& locator, const cache::FetchContext& context, bool push, bool insecure) {
  if (context.offline) return cache::Offline(StrCat("registry ", locator.substr(0, locator.find('/')), " may not be asked for ", locator));
  Repository out(&registry);
  size_t slash = locator.find('/');
  if (slash == std::string::npos || slash + 1 == locator.size()) return InvalidArgument("invalid reference: no repository in ", Quote(locator));
  out.domain_ = locator.substr(0, slash);
  out.path_ = locator.substr(slash + 1);
  out.access_.repository = out.path_;
  out.access_.name = locator;
  out.access_.push = push;
  out.access_.insecure = insecure;
  out.access_.sessions = context.session_ids;
  HostConfigs configs;
  if (insecure) configs[out.domain_] = {.mirrors = {}, .http = true, .insecure = true};
  BK_ASSIGN(out.endpoints_, EndpointsOf(insecure ? configs : registry.options_.hosts, out.domain_));
  return out;
}

std::string Repository::Url(const Endpoint& endpoint, std::string_view kind, std::string_view object) const {
  std::string url = StrCat(endpoint.base(), "/", path_, "/", kind, "/", object);
  if (endpoint.mirror && endpoint.host != domain_) url += "?ns=" + QueryEscape(domain_);
  return url;
}

absl::Status Repository::BackOff(const CancelToken& cancel, int attempt, const HttpResponse* response) const {
  int64_t pause = registry_->options_.backoff_ms << attempt;
  if (response != nullptr) {
    std::string after = response->Header("retry-after");
    int64_t seconds = 0;
    auto [end, error] = std::from_chars(after.data(), after.data() + after.size(), seconds);
    if (error == std::errc() && seconds >= 0 && seconds < kMaxRetryAfterMs) pause = seconds * 1000;
  }
  return cancel.SleepFor(std::chrono::milliseconds(std::min(pause, kMaxRetryAfterMs)));
}

absl::StatusOr<HttpResponse> Repository::Send(const CancelToken& cancel, const Endpoint& endpoint, HttpRequest& request) const {
  auto& plain = registry_->plain_hosts_;
  bool use_plain = endpoint.http_fallback && plain.With([&](auto& hosts) { return hosts.contains(endpoint.host); });
  auto make_plain = [&] {
    if (request.url.starts_with("https://")) request.url.replace(0, 5, "http");
  };
  if (use_plain) make_plain();
  auto response = registry_->http_.Do(cancel, request);
  if (!endpoint.http_fallback || use_plain || !absl::IsUnavailable(response.status())) return response;
  make_plain();
  response = registry_->http_.Do(cancel, request);
  if (response.ok()) plain.With([&](auto& hosts) { hosts.insert(endpoint.host); });
  return response;
}

absl::StatusOr<HttpResponse> Repository::Exchange(const CancelToken& cancel, const Endpoint& endpoint, HttpRequest request) const {
  request.tls = endpoint.tls;
  BK_TRY(GoUrl url, GoUrl::Parse(request.url));
  bool own_host = url.host == endpoint.host;
  const auto headers = request.headers;
  bool received = false;
  if (request.sink) {
    request.sink = [&received, sink = std::move(request.sink)](std::string_view bytes) {
      received = true;
      return sink(bytes);
    };
  }
  for (int challenges = 0, repetitions = 0;;) {
    request.headers = headers;
    if (own_host) {
      BK_TRY(std::string authorization, registry_->authorizer_.Header(cancel, access_, endpoint.host));
      if (!authorization.empty()) request.headers.emplace_back("Authorization", authorization);
    }
    auto response = Send(cancel, endpoint, request);
    if (absl::IsUnavailable(response.status()) && !received && repetitions < kMaxRepetitions) {
      BK_RETURN_IF_ERROR(BackOff(cancel, repetitions++, nullptr));
      continue;
    }
    if (!response.ok()) return response;
    if (response->status == 401 && own_host && challenges < kMaxChallenges) {
      absl::Status learned = registry_->authorizer_.Learn(cancel, access_, endpoint.host, endpoint.tls, *response, challenges++ > 0);
      if (absl::IsUnimplemented(learned)) return response;
      BK_RETURN_IF_ERROR(learned);
      continue;
    }
    if (!IsTransientStatus(response->status) || repetitions >= kMaxRepetitions) return response;
    BK_RETURN_IF_ERROR(BackOff(cancel, repetitions++, &*response));
  }
}

}  // namespace bk::registry
