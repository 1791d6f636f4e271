#include "tests/golden/support/runner.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "base/digest.h"

namespace bk::golden {
namespace {

constexpr char kPendingFile[] = "tests/golden/pending.txt";

// One line of pending.txt:  area/file | CONDITION | what it waits for
// CONDITION: `always`, `rows ID ID…` (one of the case's rows), or `/json/pointer ~ regex` on the value's text (a string
// bare, anything else as JSON; an absent value never matches). Several conditions joined by ` && ` must all hold.
struct Rule {
  std::string file;
  std::vector<std::string> conditions;
};

std::string Trim(const std::string& text) {
  size_t a = text.find_first_not_of(" \t"), b = text.find_last_not_of(" \t");
  return a == std::string::npos ? "" : text.substr(a, b - a + 1);
}

std::vector<Rule> LoadRules() {
  std::vector<Rule> rules;
  std::ifstream in(kPendingFile);
  for (std::string line; std::getline(in, line);) {
    if (Trim(line).empty() || Trim(line)[0] == '#') continue;
    size_t first = line.find('|'), last = line.rfind('|');
    if (first == last) {
      std::fprintf(stderr, "%s: bad rule: %s\n", kPendingFile, line.c_str());
      std::exit(2);
    }
    Rule rule{Trim(line.substr(0, first)), {}};
    std::string all = line.substr(first + 1, last - first - 1);
    for (size_t at; (at = all.find(" && ")) != std::string::npos; all = all.substr(at + 4)) rule.conditions.push_back(Trim(all.substr(0, at)));
    rule.conditions.push_back(Trim(all));
    rules.push_back(std::move(rule));
  }
  return rules;
}

bool Holds(const std::string& condition, const Json& c) {
  if (condition == "always") return true;
  if (condition.rfind("rows ", 0) == 0) {
    std::istringstream ids(condition.substr(5));
    for (std::string id; ids >> id;) {
      for (const auto& row : c.value("rows", Json::array())) {
        if (row == id) return true;
      }
    }
    return false;
  }
  size_t tilde = condition.find(" ~ ");
  Json::json_pointer pointer(Trim(condition.substr(0, tilde)));
  if (!c.contains(pointer)) return false;
  const Json& value = c.at(pointer);
  std::string text = value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false, Json::error_handler_t::replace);
  return std::regex_search(text, std::regex(condition.substr(tilde + 3)));
}

bool IsPending(const std::vector<Rule>& rules, const std::string& file, const Json& c) {
  for (const Rule& rule : rules) {
    if (rule.file != file) continue;
    bool all = true;
    for (const std::string& condition : rule.conditions) all = all && Holds(condition, c);
    if (all) return true;
  }
  return false;
}

absl::Status RunCase(const Suite& suite, const Json& c, const std::string& dir) {
  try {
    return suite.run(c, dir);
  } catch (const std::exception& e) {
    return Internal("exception: ", std::string(e.what()));
  }
}

// False if a case failed that no rule covers.
bool RunSuite(const Suite& suite, const std::string& root, const std::vector<Rule>& rules, const std::string& only) {
  std::string path = root + "/" + suite.file + ".jsonl";
  std::ifstream in(path);
  if (!in) return true;
  int passed = 0, total = 0, pending = 0;
  std::vector<std::string> failed;
  std::string dir = std::filesystem::path(path).parent_path();
  for (std::string line; std::getline(in, line);) {
    if (line.empty()) continue;
    Json c = Json::parse(line);
    if (suite.is_case != nullptr && !suite.is_case(c)) {
      if (suite.note != nullptr) suite.note(c);
      continue;
    }
    std::string name = c.value("name", StrCat("line ", total + 1));
    if (!only.empty() && name.find(only) == std::string::npos) continue;
    total++;
    absl::Status status = RunCase(suite, c, dir);
    if (status.ok()) {
      passed++;
    } else if (IsPending(rules, suite.file, c)) {
      pending++;
    } else {
      failed.push_back(StrCat("  FAILED ", name, ": ", Message(status)));
    }
  }
  std::printf("%s %d/%d %d\n", suite.file, passed, total, pending);
  for (const std::string& text : failed) std::printf("%s\n", text.c_str());
  std::fflush(stdout);
  return failed.empty();
}

}  // namespace

int RunArea(int argc, char** argv, const char* area, std::span<const Suite> suites) {
  // golden_AREA [DIR [NAME_PART [FILE]]]: the last two narrow a run while debugging.
  std::string root = argc > 1 && argv[1][0] != 0 ? argv[1] : "tests/golden";
  std::string only = argc > 2 ? argv[2] : "", file = argc > 3 ? argv[3] : "";
  std::vector<Rule> rules = LoadRules();
  bool ok = true;
  int files = 0;
  for (const Suite& suite : suites) {
    if (!file.empty() && file != suite.file) continue;
    files += std::filesystem::exists(root + "/" + suite.file + ".jsonl") ? 1 : 0;
    ok = RunSuite(suite, root, rules, only) && ok;
  }
  if (files == 0) std::fprintf(stderr, "golden_%s: no case file of this area below %s\n", area, root.c_str());
  return ok ? 0 : 1;
}

absl::Status ExpectText(std::string_view what, std::string_view got, std::string_view want) {
  if (got == want) return absl::OkStatus();
  size_t at = 0;
  while (at < got.size() && at < want.size() && got[at] == want[at]) at++;
  size_t from = at > 40 ? at - 40 : 0;
  return Internal(what, " differs at byte ", at, ": got ", Quote(got.substr(from, 160)), ", want ", Quote(want.substr(from, 160)));
}

absl::Status ExpectJson(std::string_view what, const Json& got, const Json& want) {
  // Key order is no part of a JSON value.
  if (nlohmann::json(got) == nlohmann::json(want)) return absl::OkStatus();
  auto dump = [](const Json& j) { return nlohmann::json(j).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace); };
  return ExpectText(what, dump(got), dump(want));
}

std::string Bytes(const Json& object, const std::string& key) {
  if (object.contains(key)) return Text(object.at(key));
  if (object.contains(key + "_b64")) return Base64Decode(object.at(key + "_b64").get<std::string>()).value_or("");
  return "";
}

std::string Text(const Json& value) {
  if (value.is_object() && value.contains("b64")) return Base64Decode(value.at("b64").get<std::string>()).value_or("");
  return value.get<std::string>();
}

}  // namespace bk::golden
