// The Dockerfile parser and its instructions, with words expanded. `check` of what follows from the grammar alone.
#include "daemon/frontend/dockerfile/instruct/instruction.h"
#include "daemon/frontend/dockerfile/parse/parser.h"
#include "daemon/frontend/dockerfile/shell/lex.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bk;
  auto file = dockerfile::ParseDockerfile(fuzz::Text(data, size));
  if (!file.ok()) return 0;
  int lines = 1 + static_cast<int>(std::count(data, data + size, '\n'));
  for (const dockerfile::Node& node : file->nodes) {
    fuzz::Require(node.start_line >= 1 && node.start_line <= node.end_line && node.end_line <= lines, "lines of a node lie in the file", node.original);
  }
  auto program = dockerfile::ParseProgram(*file);
  if (!program.ok()) return 0;
  dockerfile::Lex lex(file->escape);
  dockerfile::WordExpander expand = [&](const std::string& word) { return lex.Word(word, dockerfile::NoVariables()); };
  for (dockerfile::Stage& stage : program->stages) {
    for (dockerfile::Instruction& command : stage.commands) {
      if (dockerfile::Expand(command, expand).ok()) dockerfile::ExpandContents(command, expand).IgnoreError();
    }
  }
  return 0;
}
