// What TLS of an HTTP request takes beside the host's own settings.
#pragma once

#include <string>
#include <vector>

namespace bk {

struct TlsOptions {
  bool insecure = false;              // certificates are not checked
  std::vector<std::string> ca_files;  // beside the host's bundle
  struct KeyPair {
    std::string key_file, cert_file;
  };
  std::vector<KeyPair> key_pairs;  // of the client; the one that the server's authorities issued is shown
};

}  // namespace bk
