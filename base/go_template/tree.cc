#include "base/go_template/tree.h"

namespace bk::go_template {
namespace {

std::string PipeSource(const Node& pipe) {
  std::string out;
  for (size_t i = 0; i < pipe.variables.size(); i++) out += (i > 0 ? ", " : "") + SourceOf(*pipe.variables[i]);
  if (!pipe.variables.empty()) out += pipe.assigns ? " = " : " := ";
  for (size_t i = 0; i < pipe.children.size(); i++) out += (i > 0 ? " | " : "") + SourceOf(*pipe.children[i]);
  return out;
}

std::string CommandSource(const Node& command) {
  std::string out;
  for (size_t i = 0; i < command.children.size(); i++) {
    const Node& operand = *command.children[i];
    if (i > 0) out += ' ';
    out += operand.kind == NodeKind::kPipe ? "(" + SourceOf(operand) + ")" : SourceOf(operand);
  }
  return out;
}

std::string BranchSource(const char* name, const Node& node) {
  std::string out = StrCat("{{", std::string_view(name), " ", SourceOf(*node.pipe), "}}", SourceOf(*node.list));
  if (node.else_list != nullptr) out += "{{else}}" + SourceOf(*node.else_list);
  return out + "{{end}}";
}

}  // namespace

std::string SourceOf(const Node& node) {
  std::string out;
  switch (node.kind) {
    case NodeKind::kList:
      for (const NodePtr& child : node.children) out += SourceOf(*child);
      return out;
    case NodeKind::kAction: return "{{" + SourceOf(*node.pipe) + "}}";
    case NodeKind::kIf: return BranchSource("if", node);
    case NodeKind::kRange: return BranchSource("range", node);
    case NodeKind::kWith: return BranchSource("with", node);
    case NodeKind::kTemplate: return StrCat("{{template ", Quote(node.text), node.pipe != nullptr ? " " + SourceOf(*node.pipe) : "", "}}");
    case NodeKind::kBreak: return "{{break}}";
    case NodeKind::kContinue: return "{{continue}}";
    case NodeKind::kEnd: return "{{end}}";
    case NodeKind::kElse: return "{{else}}";
    case NodeKind::kPipe: return PipeSource(node);
    case NodeKind::kCommand: return CommandSource(node);
    case NodeKind::kDot: return ".";
    case NodeKind::kNil: return "nil";
    case NodeKind::kField:
      for (const std::string& name : node.names) out += "." + name;
      return out;
    case NodeKind::kVariable:
      for (const std::string& name : node.names) out += (out.empty() ? "" : ".") + name;
      return out;
    case NodeKind::kChain:
      out = SourceOf(*node.children[0]);
      if (node.children[0]->kind == NodeKind::kPipe) out = "(" + out + ")";
      for (const std::string& name : node.names) out += "." + name;
      return out;
    default: return node.text;
  }
}

}  // namespace bk::go_template
