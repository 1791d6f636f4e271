#include "daemon/registry/http.h"

#include <curl/curl.h>
#include <unistd.h>

#include <absl/strings/cord.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/curl_tls/tls.h"
#include "base/go_url.h"
#include "base/log.h"
#include "base/unicode.h"
#include "base/version.h"
#include "daemon/registry/connection_pool.h"
#include "daemon/registry/redirect.h"

namespace bk::registry {
namespace {

constexpr long kConnectTimeoutS = 30;
constexpr int kPollMs = 1000;
constexpr long kBufferBytes = 128 << 10;
constexpr size_t kMaxHeaderBytes = 1 << 20;
constexpr uint64_t kMaxDiscardedBytes = 256 << 10;
// What kind of failure an Unavailable is.
constexpr char kFailureKind[] = "bk.http.failure";
constexpr char kUnreachable[] = "unreachable", kNoTls[] = "no TLS";

// What the callbacks of one request share.
struct Exchange {
  const HttpRequest& request;
  HttpResponse response;
  absl::Status failure;  // of on_head, sink or a limit
  size_t header_bytes = 0;
  int64_t sent = 0;
  bool head_seen = false;
  uint64_t discarded = 0;      // of the body of an answer that points on
  bool redirected = false;     // the request is one that another host asked for
  bool from_loopback = false;  // and that host is this machine
  bool direct = true;          // no proxy may stand between
  bool connected = false;
  char curl_text[CURL_ERROR_SIZE] = "";  // what libcurl says beside its code
  bool at_loopback = false;    // whom it was connected to

  bool IsRead() const { return request.method == "GET" || request.method == "HEAD"; }
  // Whether the answer only says where to ask.
  bool PointsOn() const { return IsRead() && IsRedirect(response.status) && response.headers.contains("location"); }
  bool Start(CURL* easy) {
    if (head_seen) return failure.ok();
    head_seen = true;
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    response.status = static_cast<int>(status);
    if (request.on_head && !PointsOn()) failure = request.on_head(response);
    return failure.ok();
  }
};

struct CallbackState {
  Exchange exchange;
  CURL* easy;
};

size_t OnHeader(char* data, size_t, size_t size, void* user) {
  Exchange& exchange = static_cast<CallbackState*>(user)->exchange;
  std::string_view line(data, size);
  if (line.starts_with("HTTP/")) exchange.response.headers.clear();  // a redirect or 1xx came before
  exchange.header_bytes += size;
  if (exchange.header_bytes > kMaxHeaderBytes) {
    exchange.failure = ResourceExhausted("headers of the answer exceed ", kMaxHeaderBytes, " bytes");
    return 0;
  }
  size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    exchange.response.headers.emplace(ToLower(line.substr(0, colon)), TrimSpace(line.substr(colon + 1)));
  }
  return size;
}

size_t OnBody(char* data, size_t, size_t size, void* user) {
  auto* state = static_cast<CallbackState*>(user);
  Exchange& exchange = state->exchange;
  if (!exchange.Start(state->easy)) return 0;
  if (exchange.PointsOn()) {
    exchange.discarded += size;
    return exchange.discarded > kMaxDiscardedBytes ? 0 : size;
  }
  std::string_view bytes(data, size);
  bool success = exchange.response.status < 300;
  if (success && exchange.request.sink) {
    exchange.failure = exchange.request.sink(bytes);
    return exchange.failure.ok() ? size : 0;
  }
  uint64_t room = exchange.request.limit_bytes - std::min<uint64_t>(exchange.request.limit_bytes, exchange.response.body.size());
  if (success && size > room) {
    exchange.failure = ResourceExhausted("answer exceeds ", exchange.request.limit_bytes, " bytes");
    return 0;
  }
  exchange.response.body.append(bytes.substr(0, room));
  return size;
}

size_t OnRead(char* buffer, size_t, size_t size, void* user) {
  Exchange& exchange = static_cast<CallbackState*>(user)->exchange;
  const HttpRequest& request = exchange.request;
  size_t count;
  if (request.body_fd >= 0) {
    size = static_cast<size_t>(std::min<int64_t>(static_cast<int64_t>(size), request.body_size_bytes - exchange.sent));
    ssize_t n = pread(request.body_fd, buffer, size, request.body_offset_bytes + exchange.sent);
    if (n < 0) {
      exchange.failure = ErrnoError(errno, "read blob");
      return CURL_READFUNC_ABORT;
    }
    count = static_cast<size_t>(n);
  } else {
    count = request.body.copy(buffer, size, static_cast<size_t>(exchange.sent));
  }
  exchange.sent += static_cast<int64_t>(count);
  if (request.on_sent) request.on_sent(exchange.sent);
  return count;
}

int OnSeek(void* user, curl_off_t offset, int origin) {
  if (origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  static_cast<CallbackState*>(user)->exchange.sent = offset;
  return CURL_SEEKFUNC_OK;
}

// The last moment before a request goes out, on a fresh connection or a kept one.
int OnConnected(void* user, char* address, char*, int, int) {
  Exchange& exchange = static_cast<CallbackState*>(user)->exchange;
  exchange.connected = true;
  exchange.at_loopback = exchange.direct && IsLoopbackAddress(address);
  if (exchange.redirected && exchange.direct) exchange.failure = CheckRedirectAddress(address, exchange.from_loopback);
  return exchange.failure.ok() ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

bool HasProxy() {
  for (const char* name : {"http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}) {
    if (const char* value = getenv(name); value != nullptr && *value != '\0') return true;
  }
  return false;
}

// Go's rule for plain HTTP also takes HTTP_PROXY, which curl ignores; loopback hosts are never proxied.
void SetProxy(CURL* easy, const GoUrl& url) {
  if (IsLoopbackHost(url.hostname())) {
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
  } else if (const char* proxy = getenv("HTTP_PROXY"); proxy != nullptr && url.scheme == "http" && getenv("http_proxy") == nullptr) {
    curl_easy_setopt(easy, CURLOPT_PROXY, proxy);
  }
}

void SetMethod(CURL* easy, CallbackState& state) {
  const HttpRequest& request = state.exchange.request;
  if (request.method == "HEAD") curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  if (state.exchange.IsRead()) return;
  curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  curl_easy_setopt(easy, CURLOPT_READFUNCTION, OnRead);
  curl_easy_setopt(easy, CURLOPT_READDATA, &state);
  curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, OnSeek);
  curl_easy_setopt(easy, CURLOPT_SEEKDATA, &state);
  int64_t size = request.body_fd >= 0 ? request.body_size_bytes : static_cast<int64_t>(request.body.size());
  curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(size));
}

// A line break in a value would be a header of its own; texts as Go's net/http words them.
absl::Status CheckHeader(const std::string& key, const std::string& value) {
  auto is_token = [](unsigned char c) { return std::isalnum(c) || (c != '\0' && std::strchr("!#$%&'*+-.^_`|~", c) != nullptr); };
  auto is_text = [](unsigned char c) { return c == '\t' || (c >= ' ' && c != 0x7f); };
  if (key.empty() || !std::all_of(key.begin(), key.end(), is_token)) return InvalidArgument("invalid header field name ", Quote(key));
  if (!std::all_of(value.begin(), value.end(), is_text)) return InvalidArgument("invalid header field value for ", Quote(key));
  return absl::OkStatus();
}

absl::Status Prepare(CURL* easy, CallbackState& state, const GoUrl& url, long stall_timeout_s, curl_slist** headers) {
  const HttpRequest& request = state.exchange.request;
  for (const auto& [key, value] : request.headers) BK_RETURN_IF_ERROR(CheckHeader(key, value));
  curl_easy_reset(easy);
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, state.exchange.curl_text);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(state.exchange.IsRead() ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kBufferBytes);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, OnConnected);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, &state);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, kConnectTimeoutS);
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, stall_timeout_s);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, StrCat("buildkit/", kVersion).c_str());
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, OnHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &state);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, OnBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &state);
  SetProxy(easy, url);
  BK_RETURN_IF_ERROR(SetTls(easy, request.tls));
  SetMethod(easy, state);
  // An empty Expect keeps curl from waiting for "100 Continue".
  *headers = curl_slist_append(nullptr, "Expect:");
  for (const auto& [key, value] : request.headers) *headers = curl_slist_append(*headers, StrCat(key, ": ", value).c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, *headers);
  return absl::OkStatus();
}

// Method and URL as Go's http.Client words its errors; queries may hold signatures of storage services.
std::string Subject(const HttpRequest& request) {
  std::string method = ToLower(request.method);
  if (!method.empty()) method[0] = request.method[0];
  return StrCat(method, " ", Quote(ShownUrl(request.url)));
}

absl::Status TransferError(CURLcode code, const Exchange& exchange) {
  bool certificate = code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE;
  std::string subject = Subject(exchange.request), text = ToLower(curl_easy_strerror(code));
  if (code == CURLE_PARTIAL_FILE || code == CURLE_GOT_NOTHING) text = "unexpected EOF";
  if (code == CURLE_COULDNT_CONNECT) text = "connection refused";
  if (code == CURLE_COULDNT_RESOLVE_HOST) text = "no such host";
  if (certificate) return FailedPrecondition(subject, ": tls: failed to verify certificate: ", text);
  // The alert comes when the handshake is over for the client (RFC 8446, 4.4.2.4), which libcurl tells in words alone.
  auto alert = [&](const char* text) { return std::strstr(exchange.curl_text, text) != nullptr; };
  if (code == CURLE_SSL_CLIENTCERT || alert("alert certificate required") || alert("alert bad certificate")) return FailedPrecondition(subject, ": tls: the server wants a client certificate, or another one (keypair or tlsconfigdir of the registry's table)");
  if (code == CURLE_SSL_CERTPROBLEM) return FailedPrecondition(subject, ": tls: the client certificate cannot be used with its key: ", text);
  absl::Status status = Unavailable(subject, ": ", text);
  if (code == CURLE_SSL_CONNECT_ERROR) status.SetPayload(kFailureKind, absl::Cord(kNoTls));
  if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST || (code == CURLE_OPERATION_TIMEDOUT && !exchange.connected)) status.SetPayload(kFailureKind, absl::Cord(kUnreachable));
  return status;
}

bool HasKind(const absl::Status& status, const char* kind) {
  auto payload = status.GetPayload(kFailureKind);
  return payload && *payload == kind;
}

// One line a request; queries may hold signatures, headers hold credentials.
void LogRequest(const Exchange& exchange, CURL* easy, std::chrono::steady_clock::duration took) {
  if (!log::Enabled(log::Level::kDebug)) return;
  long version = 0, fresh = 0;
  curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version);
  curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &fresh);
  log::Debug("http request", {{"method", exchange.request.method}, {"url", ShownUrl(exchange.request.url)}, {"status", std::to_string(exchange.response.status)},
                              {"ms", std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(took).count())},
                              {"http", version == CURL_HTTP_VERSION_2_0 ? "2" : "1.1"}, {"connection", fresh == 0 ? "kept" : "new"}});
}

absl::StatusOr<CURLcode> Drive(const CancelToken& cancel, CURLM* multi) {
  for (int running = 1;;) {
    if (CURLMcode code = curl_multi_perform(multi, &running); code != CURLM_OK) return Internal("curl: ", curl_multi_strerror(code));
    if (running == 0) break;
    BK_RETURN_IF_ERROR(cancel.Check());
    curl_waitfd cancelled{cancel.fd(), CURL_WAIT_POLLIN, 0};
    curl_multi_poll(multi, &cancelled, cancelled.fd >= 0 ? 1 : 0, kPollMs, nullptr);
  }
  int left = 0;
  CURLMsg* message = curl_multi_info_read(multi, &left);
  return message == nullptr ? CURLE_RECV_ERROR : message->data.result;
}

}  // namespace

HttpClient::HttpClient(int stall_timeout_s) : stall_timeout_s_(stall_timeout_s), pool_(std::make_unique<ConnectionPool>()) {}

HttpClient::~HttpClient() = default;

bool IsTransientStatus(int status) { return status == 408 || status == 429 || (status >= 500 && status != 501 && status != 505); }

bool IsUnreachable(const absl::Status& status) { return HasKind(status, kUnreachable); }
bool IsNoTls(const absl::Status& status) { return HasKind(status, kNoTls); }

std::string HttpResponse::Header(const std::string& key) const {
  auto found = headers.find(key);
  return found == headers.end() ? "" : found->second;
}

absl::StatusOr<HttpResponse> HttpClient::Do(const CancelToken& cancel, const HttpRequest& request) {
  Hop hop;
  hop.redirected = request.told;
  hop.from_loopback = request.told_by_loopback;
  if (request.told) {
    BK_TRY(GoUrl url, GoUrl::Parse(request.url));
    BK_RETURN_IF_ERROR(Annotate(CheckTold(url, request.told_by_loopback), Subject(request)));
  }
  auto response = Once(cancel, request, hop);
  if (!response.ok() || !hop.points_on) return response;
  HttpRequest next = request;
  for (int hops = 1; response.ok() && hop.points_on; hops++) {
    if (hops > kMaxRedirects) return FailedPrecondition(Subject(next), ": stopped after ", kMaxRedirects, " redirects");
    BK_TRY(GoUrl from, GoUrl::Parse(next.url));
    hop.redirected = true;
    hop.from_loopback = hop.at_loopback || IsLoopbackHost(from.hostname());
    auto to = NextHop(from, response->Header("location"), hop.from_loopback);
    if (!to.ok()) return Annotate(to.status(), Subject(next));
    if (!KeepsCredentials(from, *to)) {
      next.tls.key_pairs.clear();
      std::erase_if(next.headers, [](const auto& header) { return EqualFold(header.first, "authorization") || EqualFold(header.first, "cookie"); });
    }
    next.url = to->str();
    response = Once(cancel, next, hop);
  }
  return response;
}

absl::StatusOr<HttpResponse> HttpClient::Once(const CancelToken& cancel, const HttpRequest& request, Hop& hop) {
  auto url = GoUrl::Parse(request.url);
  if (!url.ok()) return InvalidArgument(Subject(request), ": the URL cannot be read");  // its text may hold a password
  ChannelPtr channel = pool_->Take(StrCat(url->scheme, "://", url->host));
  CallbackState state{{request, {}, {}}, channel->easy};
  Exchange& exchange = state.exchange;
  exchange.redirected = hop.redirected;
  exchange.from_loopback = hop.from_loopback;
  exchange.direct = !HasProxy();
  curl_slist* headers = nullptr;
  absl::StatusOr<CURLcode> code = CURLE_OK;
  auto begin = std::chrono::steady_clock::now();
  if (absl::Status prepared = Prepare(channel->easy, state, *url, stall_timeout_s_, &headers); !prepared.ok()) {
    code = Annotate(prepared, Subject(request));
  } else {
    curl_multi_add_handle(channel->multi, channel->easy);
    code = Drive(cancel, channel->multi);
    curl_multi_remove_handle(channel->multi, channel->easy);
    if (code.ok() && *code == CURLE_OK) exchange.Start(channel->easy);
  }
  curl_slist_free_all(headers);
  curl_easy_setopt(channel->easy, CURLOPT_ERRORBUFFER, nullptr);
  LogRequest(exchange, channel->easy, std::chrono::steady_clock::now() - begin);
  pool_->Give(std::move(channel));
  hop.points_on = exchange.PointsOn();
  hop.at_loopback = exchange.at_loopback;
  exchange.response.from_loopback = exchange.at_loopback || IsLoopbackHost(url->hostname());
  if (!exchange.failure.ok()) return exchange.failure;
  if (!code.ok()) return code.status();
  if (*code != CURLE_OK && !(*code == CURLE_WRITE_ERROR && hop.points_on)) return TransferError(*code, exchange);
  return std::move(exchange.response);
}

std::vector<Challenge> ParseChallenges(const HttpResponse& response) {
  std::vector<Challenge> out;
  auto [begin, end] = response.headers.equal_range("www-authenticate");
  for (auto it = begin; it != end; ++it) {
    std::string_view rest = it->second;
    size_t space = std::min(rest.find(' '), rest.size());
    Challenge challenge{ToLower(rest.substr(0, space)), {}};
    rest = TrimSpace(rest.substr(space));
    while (!rest.empty()) {
      size_t equals = rest.find('=');
      if (equals == std::string_view::npos) break;
      std::string key = ToLower(TrimSpace(rest.substr(0, equals)));
      rest = rest.substr(equals + 1);
      std::string value;
      bool quoted = rest.starts_with('"');
      size_t i = quoted ? 1 : 0;
      for (; i < rest.size() && rest[i] != (quoted ? '"' : ','); i++) {
        if (quoted && rest[i] == '\\' && i + 1 < rest.size()) i++;
        value += rest[i];
      }
      challenge.parameters[key] = quoted ? value : std::string(TrimSpace(value));
      size_t comma = rest.find(',', i);
      rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    }
    out.push_back(std::move(challenge));
  }
  return out;
}

}  // namespace bk::registry
