// The functions of libcurl that the project calls, each loading the library when it is first called.
//
// libcurl brings 27 libraries along, which a client that asks no registry for a token and a daemon that begins to listen need
// not wait for (docs/performance.md). One that is not there is an error of every call, not of the program's start.
// Thread-safe as libcurl itself.
#include <curl/curl.h>
#include <dlfcn.h>

#include <cstdarg>

namespace {

constexpr char kLibrary[] = "libcurl.so.4", kMissing[] = "libcurl.so.4 cannot be loaded (install the package libcurl4)";

void* Symbol(const char* name) {
  static void* const library = dlopen(kLibrary, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
  return library == nullptr ? nullptr : dlsym(library, name);
}

// The library's own function of that name; null when the library is not there.
template <auto function>
decltype(function) Real(const char* name) {
  static const auto real = reinterpret_cast<decltype(function)>(Symbol(name));
  return real;
}
template <auto function, typename Result, typename... Args>
Result Call(const char* name, Result without, Args... args) {
  auto real = Real<function>(name);
  return real == nullptr ? without : static_cast<Result>(real(args...));
}

#define BK_CALL(name, ...) Call<&name>(#name, __VA_ARGS__)

}  // namespace

extern "C" {

CURLcode curl_global_init(long flags) { return BK_CALL(curl_global_init, CURLE_FAILED_INIT, flags); }
CURL* curl_easy_init() { return BK_CALL(curl_easy_init, static_cast<CURL*>(nullptr)); }
void curl_easy_cleanup(CURL* curl) {
  if (auto* real = Real<&curl_easy_cleanup>("curl_easy_cleanup")) real(curl);
}
CURLcode curl_easy_perform(CURL* curl) { return BK_CALL(curl_easy_perform, CURLE_FAILED_INIT, curl); }
void curl_easy_reset(CURL* curl) {
  if (auto* real = Real<&curl_easy_reset>("curl_easy_reset")) real(curl);
}

// The one argument is a long, a curl_off_t or a pointer: each as wide as a pointer where this builds.
static_assert(sizeof(long) == sizeof(void*) && sizeof(curl_off_t) == sizeof(void*));
CURLcode(curl_easy_setopt)(CURL* curl, CURLoption option, ...) {
  va_list list;
  va_start(list, option);
  void* argument = va_arg(list, void*);
  va_end(list);
  return BK_CALL(curl_easy_setopt, CURLE_FAILED_INIT, curl, option, argument);
}
CURLcode(curl_easy_getinfo)(CURL* curl, CURLINFO info, ...) {
  va_list list;
  va_start(list, info);
  void* argument = va_arg(list, void*);
  va_end(list);
  return BK_CALL(curl_easy_getinfo, CURLE_FAILED_INIT, curl, info, argument);
}
const char* curl_easy_strerror(CURLcode code) { return BK_CALL(curl_easy_strerror, kMissing, code); }

curl_slist* curl_slist_append(curl_slist* list, const char* text) { return BK_CALL(curl_slist_append, static_cast<curl_slist*>(nullptr), list, text); }
void curl_slist_free_all(curl_slist* list) {
  if (auto* real = Real<&curl_slist_free_all>("curl_slist_free_all")) real(list);
}

CURLM* curl_multi_init() { return BK_CALL(curl_multi_init, static_cast<CURLM*>(nullptr)); }
CURLMcode curl_multi_cleanup(CURLM* multi) { return BK_CALL(curl_multi_cleanup, CURLM_BAD_HANDLE, multi); }
CURLMcode curl_multi_add_handle(CURLM* multi, CURL* curl) { return BK_CALL(curl_multi_add_handle, CURLM_BAD_HANDLE, multi, curl); }
CURLMcode curl_multi_remove_handle(CURLM* multi, CURL* curl) { return BK_CALL(curl_multi_remove_handle, CURLM_BAD_HANDLE, multi, curl); }
CURLMcode curl_multi_perform(CURLM* multi, int* running) { return BK_CALL(curl_multi_perform, CURLM_BAD_HANDLE, multi, running); }
CURLMcode curl_multi_poll(CURLM* multi, curl_waitfd* fds, unsigned count, int timeout_ms, int* ready) {
  return BK_CALL(curl_multi_poll, CURLM_BAD_HANDLE, multi, fds, count, timeout_ms, ready);
}
CURLMsg* curl_multi_info_read(CURLM* multi, int* left) { return BK_CALL(curl_multi_info_read, static_cast<CURLMsg*>(nullptr), multi, left); }
const char* curl_multi_strerror(CURLMcode code) { return BK_CALL(curl_multi_strerror, kMissing, code); }

}  // extern "C"
