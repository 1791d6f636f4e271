// The tree of a parsed template. Nodes know where they stand in the source and can be written as source again: error texts show them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/go_template/value.h"

namespace bk::go_template {

enum class NodeKind {
  kList, kText, kAction, kIf, kRange, kWith, kTemplate, kBreak, kContinue, kEnd, kElse,  // of the text
  kPipe, kCommand,                                                                       // of an action
  kDot, kNil, kBool, kNumber, kString, kField, kVariable, kChain, kFunction,             // operands
};

struct Node;
using NodePtr = std::unique_ptr<Node>;

struct Node {
  NodeKind kind;
  size_t position = 0;
  std::string text;                // kText, literals as written, the name of a function or template
  std::vector<std::string> names;  // kField, kChain: fields; kVariable: the variable, then fields
  Value value;                     // literals; none: a number that is no int
  std::vector<NodePtr> children;   // kList: nodes; kPipe: commands; kCommand: operands; kChain: its operand
  std::vector<NodePtr> variables;  // kPipe: what is declared or assigned
  bool assigns = false;            // kPipe: `=`, not `:=`
  NodePtr pipe, list, else_list;
};

// The node as source.
std::string SourceOf(const Node& node);

struct Tree {
  std::string source;
  NodePtr root;                          // the template without a name
  std::map<std::string, NodePtr> named;  // define and block
};

}  // namespace bk::go_template
