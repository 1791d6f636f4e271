#include "daemon/explain/identity.h"

#include <cctype>

namespace bk::explain {
namespace {

struct Split {
  std::string stage, number, rest;  // of "[stage number/total] rest"
};

bool IsNumber(const std::string& text) {
  for (char c : text) {
    if (!isdigit(static_cast<unsigned char>(c))) return false;
  }
  return !text.empty();
}

Split SplitName(const std::string& name) {
  Split out{"", "", name};
  size_t end = name.find("] ");
  if (name.empty() || name[0] != '[' || end == std::string::npos) return out;
  std::string inside = name.substr(1, end - 1);
  size_t space = inside.rfind(' '), slash = inside.rfind('/');
  std::string count = space == std::string::npos ? inside : inside.substr(space + 1);
  size_t at = count.find('/');
  if (slash == std::string::npos || at == std::string::npos || !IsNumber(count.substr(0, at)) || !IsNumber(count.substr(at + 1))) return out;
  return {space == std::string::npos ? "" : inside.substr(0, space), count.substr(0, at), name.substr(end + 2)};
}

std::string WithoutDigest(std::string text) {
  for (size_t at; (at = text.find("@sha256:")) != std::string::npos;) text.erase(at, 8 + 64);
  return text;
}

}  // namespace

std::string StableName(const std::string& name) {
  Split split = SplitName(name);
  return WithoutDigest(split.stage.empty() ? split.rest : split.stage + " " + split.rest);
}

std::string PositionOf(const std::string& name) {
  Split split = SplitName(name);
  return split.number.empty() ? "" : split.stage + " " + split.number;
}

std::string Instruction(const std::string& name) { return WithoutDigest(SplitName(name).rest); }

}  // namespace bk::explain
