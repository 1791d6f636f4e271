#include "daemon/registry/repository.h"

#include <charconv>
#include <ctime>

#include <nlohmann/json.hpp>

#include "base/go_parse.h"

namespace bk::registry {
namespace {

constexpr int kMaxChallenges = 4;
constexpr int64_t kMirrorPauseNs = 30'000'000'000;  // for which an unreachable mirror is not asked again
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
    out += code + (code.empty() || text("message").empty() ? "" : ": ") + text("message");
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
  if (auto asked = RetryAfterMs(response.Header("retry-after"), time(nullptr)); asked && *asked > kMaxRetryAfterMs) {
    errors += StrCat(errors.empty() ? "" : ": ", "the server asks to come back in ", FormatDuration(*asked * 1'000'000));
  }
  return Error(code, "unexpected status from ", method, " request to ", url.substr(0, url.find('?')), ": ", StatusText(response.status),
               errors.empty() ? "" : ": ", errors);
}

absl::Status UnexpectedStatus(const HttpRequest& request, const HttpResponse& response) {
  return UnexpectedStatus(request.method, request.url, response);
}

std::optional<int64_t> RetryAfterMs(const std::string& header, int64_t now_s) {
  constexpr int64_t kMostSeconds = 1'000'000'000;
  int64_t seconds = 0;
  auto [end, error] = std::from_chars(header.data(), header.data() + header.size(), seconds);
  if (error == std::errc() && end == header.data() + header.size()) {
    if (seconds < 0) return std::nullopt;
    return std::min(seconds, kMostSeconds) * 1000;
  }
  tm date{};
  const char* rest = strptime(header.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
  if (rest == nullptr || *rest != '\0') return std::nullopt;
  return std::clamp<int64_t>(timegm(&date) - now_s, 0, kMostSeconds) * 1000;
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
  out.progress_ = context.progress;
  HostConfigs configs;
  if (insecure) configs[out.domain_] = {.mirrors = {}, .http = true, .insecure = true, .ca_files = {}, .key_pairs = {}, .tls_dirs = {}};
  BK_ASSIGN(out.endpoints_, EndpointsOf(insecure ? configs : registry.options_.hosts, out.domain_));
  registry.unreachable_mirrors_.With([&, now = solver::NowNs()](auto& until) {
    std::erase_if(until, [&](const auto& entry) { return entry.second < now; });
    std::erase_if(out.endpoints_, [&](const Endpoint& endpoint) { return endpoint.mirror && until.contains(endpoint.host); });
  });
  return out;
}

void Repository::PassOver(const Endpoint& mirror) const {
  registry_->unreachable_mirrors_.With([&](auto& until) { until[mirror.host] = solver::NowNs() + kMirrorPauseNs; });
}

std::string Repository::Url(const Endpoint& endpoint, std::string_view kind, std::string_view object) const {
  std::string url = StrCat(endpoint.base(), "/", path_, "/", kind, "/", object);
  if (endpoint.mirror && endpoint.host != domain_) url += "?ns=" + QueryEscape(domain_);
  return url;
}

absl::Status Repository::BackOff(const CancelToken& cancel, int attempt, const absl::Status& why, const HttpResponse* answer) const {
  int64_t pause_ms = registry_->options_.backoff_ms << std::min(attempt, 3);
  if (answer != nullptr) pause_ms = RetryAfterMs(answer->Header("retry-after"), time(nullptr)).value_or(pause_ms);
  if (pause_ms > kMaxRetryAfterMs) return why;
  progress_.Log(2, StrCat("error: ", Message(why), "\nretrying in ", FormatDuration(pause_ms * 1'000'000), "\n"));
  return cancel.SleepFor(std::chrono::milliseconds(pause_ms));
}

bool Repository::IsOwn(const Endpoint& endpoint, const GoUrl& url) const {
  if (url.host != endpoint.host) return false;
  if (url.scheme == endpoint.scheme) return true;
  return endpoint.http_fallback && registry_->plain_hosts_.With([&](auto& hosts) { return hosts.contains(endpoint.host); });
}

absl::StatusOr<HttpResponse> Repository::Send(const CancelToken& cancel, const Endpoint& endpoint, HttpRequest& request) const {
  auto& plain = registry_->plain_hosts_;
  bool use_plain = endpoint.http_fallback && plain.With([&](auto& hosts) { return hosts.contains(endpoint.host); });
  auto make_plain = [&] {
    if (request.url.starts_with("https://")) request.url.replace(0, 5, "http");
  };
  if (use_plain) make_plain();
  auto response = registry_->http_.Do(cancel, request);
  if (response.ok() || !endpoint.http_fallback || use_plain) return response;
  // Nobody at the port of https, if no port was named, is a reason as well.
  bool no_tls = IsNoTls(response.status()) || (IsUnreachable(response.status()) && !HasPort(endpoint.host));
  if (!no_tls) return response;
  make_plain();
  response = registry_->http_.Do(cancel, request);
  if (response.ok()) plain.With([&](auto& hosts) { hosts.insert(endpoint.host); });
  return response;
}

absl::StatusOr<HttpResponse> Repository::Exchange(const CancelToken& cancel, const Endpoint& endpoint, HttpRequest request) const {
  BK_TRY(GoUrl url, GoUrl::Parse(request.url));
  bool own = IsOwn(endpoint, url);
  request.tls = endpoint.tls;
  if (!own) request.tls.key_pairs.clear();
  const auto headers = request.headers;
  bool received = false;
  if (request.sink) {
    request.sink = [&received, sink = std::move(request.sink)](std::string_view bytes) {
      received = true;
      return sink(bytes);
    };
  }
  const int most_repetitions = endpoint.mirror || !request.repeatable ? 0 : kMaxRepetitions;
  for (int challenges = 0, repetitions = 0;;) {
    request.headers = headers;
    if (own) {
      BK_TRY(std::string authorization, registry_->authorizer_.Header(cancel, access_, endpoint.host));
      if (!authorization.empty()) request.headers.emplace_back("Authorization", authorization);
    }
    auto response = Send(cancel, endpoint, request);
    if (!response.ok()) {
      if (endpoint.mirror && IsUnreachable(response.status())) PassOver(endpoint);
      if (!absl::IsUnavailable(response.status()) || received || repetitions >= most_repetitions) return response;
      BK_RETURN_IF_ERROR(BackOff(cancel, repetitions++, response.status()));
      continue;
    }
    if (response->status == 401 && own && challenges < kMaxChallenges) {
      absl::Status learned = registry_->authorizer_.Learn(cancel, access_, endpoint.host, endpoint.tls, *response, challenges++ > 0);
      if (absl::IsUnimplemented(learned)) return response;
      BK_RETURN_IF_ERROR(learned);
      continue;
    }
    if (!IsTransientStatus(response->status) || repetitions >= most_repetitions) return response;
    BK_RETURN_IF_ERROR(BackOff(cancel, repetitions++, UnexpectedStatus(request, *response), &*response));
  }
}

absl::Status Repository::Explain(const CancelToken& cancel, const Endpoint& endpoint, const HttpRequest& request, const HttpResponse& response) const {
  bool silent = request.method == "HEAD" && (response.status == 400 || response.status == 401 || response.status == 403);
  if (silent) {
    HttpRequest get = request;
    get.method = "GET";
    auto answer = Exchange(cancel, endpoint, std::move(get));
    if (answer.ok() && answer->status == response.status) return UnexpectedStatus(request.method, request.url, *answer);
  }
  return UnexpectedStatus(request, response);
}

}  // namespace bk::registry
