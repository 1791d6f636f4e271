#include "daemon/remotecache/store_config.h"

#include "base/go_parse.h"
#include "base/go_url.h"

namespace bk::remotecache {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kTouchRefreshNs = 24 * 3600 * kSecondNs, kGhaTimeoutNs = 600 * kSecondNs;
constexpr int kUploadParallelism = 4;
constexpr char kGithubV2Host[] = "results-receiver.actions.githubusercontent.com";

class Reader {
 public:
  Reader(const Attributes& attributes, const Environment& environment) : attributes_(attributes), environment_(environment) {}

  std::optional<std::string> Get(const char* key) const {
    auto it = attributes_.find(key);
    return it == attributes_.end() ? std::nullopt : std::optional(it->second);
  }
  // An attribute, else a variable.
  std::optional<std::string> Get(const char* key, const char* variable) const {
    std::optional<std::string> value = Get(key);
    return value.has_value() ? value : environment_(variable);
  }
  std::string Text(const char* key, const char* otherwise = "") const { return Get(key).value_or(otherwise); }
  bool Bool(const char* key) const { return ParseBool(Text(key)).value_or(false); }
  std::vector<std::string> Names() const {
    std::string text = Text("name", "buildkit");
    std::vector<std::string> names;
    for (size_t at = 0; at <= text.size();) {
      size_t end = std::min(text.find(';', at), text.size());
      names.push_back(text.substr(at, end - at));
      at = end + 1;
    }
    return names;
  }
  absl::StatusOr<int> Positive(const char* key, int otherwise) const {
    std::optional<std::string> text = Get(key);
    if (!text.has_value()) return otherwise;
    auto number = ParseInt(*text);
    if (!number.ok() || *number <= 0 || *number > INT32_MAX) return Unknown(key, " must be a positive integer");
    return static_cast<int>(*number);
  }

 private:
  const Attributes& attributes_;
  const Environment& environment_;
};

}  // namespace

absl::StatusOr<S3Config> ParseS3(const Attributes& attributes, const Environment& environment) {
  Reader r(attributes, environment);
  auto bucket = r.Get("bucket", "AWS_BUCKET"), region = r.Get("region", "AWS_REGION");
  if (!bucket.has_value()) return Unknown("bucket ($AWS_BUCKET) not set for s3 cache");
  if (!region.has_value()) return Unknown("region ($AWS_REGION) not set for s3 cache");
  S3Config config;
  config.bucket = *bucket;
  config.region = *region;
  config.prefix = r.Text("prefix");
  config.manifests_prefix = r.Text("manifests_prefix", "manifests/");
  config.blobs_prefix = r.Text("blobs_prefix", "blobs/");
  config.names = r.Names();
  config.touch_refresh_ns = ParseDurationNs(r.Text("touch_refresh")).value_or(kTouchRefreshNs);
  config.endpoint_url = r.Text("endpoint_url");
  config.access_key_id = r.Text("access_key_id");
  config.secret_access_key = r.Text("secret_access_key");
  config.session_token = r.Text("session_token");
  config.use_path_style = r.Bool("use_path_style");
  BK_ASSIGN(config.upload_parallelism, r.Positive("upload_parallelism", kUploadParallelism));
  config.disable_accept_encoding = r.Bool("disable_accept_encoding");
  config.retry_mode = r.Text("retry_mode");
  bool known = config.retry_mode == "standard" || config.retry_mode == "adaptive";
  if (r.Get("retry_mode").has_value() && !known) return Unknown("retry_mode must be \"standard\" or \"adaptive\"");
  BK_ASSIGN(config.retry_max_attempts, r.Positive("retry_max_attempts", 0));
  return config;
}

absl::StatusOr<AzblobConfig> ParseAzblob(const Attributes& attributes, const Environment& environment) {
  Reader r(attributes, environment);
  auto account_url = r.Get("account_url", "BUILDKIT_AZURE_STORAGE_ACCOUNT_URL");
  if (!account_url.has_value()) return Unknown("either ${BUILDKIT_AZURE_STORAGE_ACCOUNT_URL} or account_url attribute is required for azblob cache");
  auto url = GoUrl::Parse(*account_url);
  if (!url.ok()) return Unknown("azure storage account url provided is not a valid url: ", Message(url.status()));
  AzblobConfig config;
  config.account_url = *account_url;
  std::string host = url->hostname();
  config.account_name = r.Get("account_name", "BUILDKIT_AZURE_STORAGE_ACCOUNT_NAME").value_or(host.substr(0, host.find('.')));
  if (config.account_name.empty()) {
    return Unknown("unable to retrieve account name from account url or ${BUILDKIT_AZURE_STORAGE_ACCOUNT_NAME} or account_name attribute for azblob cache");
  }
  config.container = r.Get("container", "BUILDKIT_AZURE_STORAGE_CONTAINER").value_or("buildkit-cache");
  config.prefix = r.Get("prefix", "BUILDKIT_AZURE_STORAGE_PREFIX").value_or("");
  config.manifests_prefix = r.Text("manifests_prefix", "manifests");
  config.blobs_prefix = r.Text("blobs_prefix", "blobs");
  config.secret_access_key = r.Text("secret_access_key");
  config.names = r.Names();
  return config;
}

absl::StatusOr<GhaConfig> ParseGha(const Attributes& attributes) {
  const Environment none;
  Reader r(attributes, none);
  if (!r.Get("token").has_value()) return Unknown("token not set for github actions cache");
  GhaConfig config;
  config.scope = r.Text("scope", "buildkit");
  config.token = r.Text("token");
  if (auto version = r.Get("version"); version.has_value()) {
    auto number = ParseInt(*version);
    if (!number.ok()) return Unknown("failed to parse api version ", Quote(*version), ", expected positive integer: ", Message(number.status()));
    config.version = *number;
  }
  if (auto url = r.Get("url_v2"); url.has_value() && config.version != 1) {
    config.url = *url;
    config.version = 2;
  }
  if (config.url.empty()) config.url = r.Text("url");
  if (config.url.empty()) return Unknown("url not set for github actions cache");
  if (config.version == 0) config.version = config.url.find(kGithubV2Host) != std::string::npos ? 2 : 1;  // clients that do not say
  config.timeout_ns = kGhaTimeoutNs;
  if (auto text = r.Get("timeout"); text.has_value()) {
    auto timeout = ParseDurationNs(*text);
    if (!timeout.ok()) return Unknown("failed to parse timeout for github actions cache: ", Message(timeout.status()));
    config.timeout_ns = *timeout;
  }
  config.github_token = r.Text("ghtoken");
  config.repository = r.Text("repository");
  return config;
}

}  // namespace bk::remotecache
