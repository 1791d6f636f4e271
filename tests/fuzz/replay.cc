// Runs a fuzz target on its corpus: fuzz_NAME FILE, a file of base64 lines. Fails when there is none.
#include <openssl/evp.h>

#include <fstream>

#include "tests/fuzz/input.h"

namespace {

bool Decode(const std::string& line, std::string& out) {
  if (line.size() % 4 != 0) return false;
  out.resize(line.size() / 4 * 3);
  int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()), reinterpret_cast<const unsigned char*>(line.data()), static_cast<int>(line.size()));
  if (size < 0) return false;
  size_t padding = line.ends_with("==") ? 2 : line.ends_with('=') ? 1 : 0;
  out.resize(static_cast<size_t>(size) - padding);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  std::ifstream corpus(argc == 2 ? argv[1] : "");
  int count = 0;
  for (std::string line, input; std::getline(corpus, line); count++) {
    if (!Decode(line, input)) return std::cerr << "bad line " << count + 1 << " in " << argv[1] << "\n", 1;
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
  }
  std::cout << count << " inputs\n";
  return count > 0 ? 0 : 1;
}
