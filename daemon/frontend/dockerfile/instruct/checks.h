// What can be said of instructions alone, before any stage is known. Findings go to the linter in the order of the checks.
#pragma once

#include "daemon/frontend/dockerfile/instruct/instruction.h"
#include "daemon/frontend/dockerfile/lint/linter.h"

namespace bk::dockerfile {

// Of the parser: continuation lines that are empty.
void CheckContinuations(const Dockerfile& file, const Linter& lint);
// Of one instruction's words, right or wrong.
void CheckWords(const Node& node, const Linter& lint);
// Of the comment above FROM … AS and ARG.
void CheckDescription(const Node& node, const InstructionBody& body, const Linter& lint);
// Of the whole file: names of stages, letter case of instructions.
void CheckProgram(const Program& program, const Linter& lint);

}  // namespace bk::dockerfile
