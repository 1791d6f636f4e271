#include "client/session/token_server.h"

#include <curl/curl.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/curl_tls/tls.h"
#include "base/digest.h"
#include "base/go_url.h"

namespace bk::client {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxAnswerBytes = 1 << 20;
constexpr long kTimeoutSeconds = 60;

struct Answer {
  long status = 0;
  std::string body, url, method;
  bool ok() const { return status >= 200 && status < 400; }
  absl::Status Unexpected() const;
};

const char* StatusText(long status) {
  switch (status) {
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 429: return "Too Many Requests";
    case 500: return "Internal Server Error";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    default: return "";
  }
}

absl::Status Answer::Unexpected() const {
  return Unknown("unexpected status from ", method, " request to ", url, ": ", int64_t{status}, " ", StatusText(status));
}

size_t Collect(char* data, size_t, size_t size, void* out) {
  auto& body = *static_cast<std::string*>(out);
  if (body.size() + size > kMaxAnswerBytes) return 0;
  body.append(data, size);
  return size;
}

int Abort(void* token, curl_off_t, curl_off_t, curl_off_t, curl_off_t) { return static_cast<const CancelToken*>(token)->cancelled() ? 1 : 0; }

// GET, or POST when there is a form.
absl::StatusOr<Answer> Request(const CancelToken& cancel, const std::string& url, const std::string* form, const Credentials& basic, const TlsOptions& tls) {
  static const bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  (void)ready;
  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(), &curl_easy_cleanup);
  if (curl == nullptr) return Internal("cannot make an HTTP request (is the package libcurl4 installed?)");
  Answer answer;
  answer.url = url;
  answer.method = form != nullptr ? "POST" : "GET";
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_MAXREDIRS, 10L);
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, kTimeoutSeconds);
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_USERAGENT, "buildkit-client");
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &Collect);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer.body);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, &Abort);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFODATA, const_cast<CancelToken*>(&cancel));
  curl_easy_setopt(curl.get(), CURLOPT_NOPROGRESS, 0L);
  BK_RETURN_IF_ERROR(SetTls(curl.get(), tls));
  if (form != nullptr) {
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(form->size()));
    curl_easy_setopt(curl.get(), CURLOPT_COPYPOSTFIELDS, form->c_str());
  }
  std::string user = basic.User(), secret = basic.Secret();
  if (!secret.empty()) {
    curl_easy_setopt(curl.get(), CURLOPT_USERNAME, user.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_PASSWORD, secret.c_str());
  }
  CURLcode code = curl_easy_perform(curl.get());
  BK_RETURN_IF_ERROR(cancel.Check());
  if (code != CURLE_OK) return Unavailable(answer.method == "GET" ? "Get " : "Post ", Quote(url), ": ", curl_easy_strerror(code));
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &answer.status);
  return answer;
}

// Seconds of an RFC 3339 time; 0 if it is none.
int64_t UnixTime(const std::string& text) {
  std::tm parts{};
  const char* rest = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr) return 0;
  if (*rest == '.') rest += 1 + strspn(rest + 1, "0123456789");
  int64_t seconds = timegm(&parts);
  int hours = 0, minutes = 0;
  if ((*rest == '+' || *rest == '-') && std::sscanf(rest + 1, "%2d:%2d", &hours, &minutes) == 2) seconds -= (*rest == '+' ? 1 : -1) * (hours * 3600 + minutes * 60);
  return seconds;
}

absl::StatusOr<Token> ParseToken(const Answer& answer, std::initializer_list<const char*> keys) {
  Json json = Json::parse(answer.body, nullptr, false);
  if (!json.is_object()) return Unknown("unable to decode token response: not a JSON object");
  Token token;
  for (const char* key : keys) {
    if (token.text.empty() && json.contains(key) && json[key].is_string()) token.text = json[key].get<std::string>();
  }
  if (token.text.empty()) return Unknown("authorization server did not include a token in the response");
  if (json.contains("expires_in") && json["expires_in"].is_number_integer()) token.expires_in_s = json["expires_in"].get<int64_t>();
  if (json.contains("issued_at") && json["issued_at"].is_string()) token.issued_at_s = UnixTime(json["issued_at"].get<std::string>());
  return token;
}

absl::StatusOr<Token> Get(const CancelToken& cancel, const TokenRequest& request, const Credentials& credentials) {
  BK_TRY(GoUrl url, GoUrl::Parse(request.realm));
  GoUrl::Query query = url.query();
  if (!request.service.empty()) query["service"].push_back(request.service);
  for (const std::string& scope : request.scopes) query["scope"].push_back(scope);
  url.raw_query = EncodeQuery(query);
  BK_TRY(Answer answer, Request(cancel, url.str(), nullptr, credentials, request.tls));
  if (!answer.ok()) return answer.Unexpected();
  return ParseToken(answer, {"access_token", "token"});
}

std::string OAuthForm(const TokenRequest& request, const Credentials& credentials) {
  GoUrl::Query form;
  std::string scopes;
  for (const std::string& scope : request.scopes) scopes += (scopes.empty() ? "" : " ") + scope;
  if (!scopes.empty()) form["scope"] = {scopes};
  form["service"] = {request.service};
  form["client_id"] = {"buildkit-client"};
  if (credentials.User().empty()) {
    form["grant_type"] = {"refresh_token"};
    form["refresh_token"] = {credentials.Secret()};
  } else {
    form["grant_type"] = {"password"};
    form["username"] = {credentials.User()};
    form["password"] = {credentials.Secret()};
  }
  return EncodeQuery(form);
}

absl::StatusOr<Token> Post(const CancelToken& cancel, const TokenRequest& request, const Credentials& credentials) {
  std::string form = OAuthForm(request, credentials);
  BK_TRY(Answer answer, Request(cancel, request.realm, &form, Credentials(), request.tls));
  if (answer.ok()) return ParseToken(answer, {"access_token"});
  // Servers that do not know the form answer in these ways.
  bool unknown_form = answer.status == 404 || answer.status == 401 || (answer.status == 405 && !credentials.User().empty());
  return unknown_form ? Get(cancel, request, credentials) : absl::StatusOr<Token>(answer.Unexpected());
}

}  // namespace

absl::StatusOr<Token> FetchToken(const CancelToken& cancel, const TokenRequest& request, const Credentials& credentials) {
  if (credentials.Secret().empty()) {
    auto token = Get(cancel, request, credentials);
    if (!token.ok()) return Annotate(token.status(), "failed to fetch anonymous token");
    return token;
  }
  auto token = Post(cancel, request, credentials);
  if (!token.ok()) return Annotate(token.status(), "failed to fetch oauth token");
  return token;
}

}  // namespace bk::client
