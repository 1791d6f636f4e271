#include "base/go_template/template.h"

#include <algorithm>

#include "base/go_template/format.h"
#include "base/go_template/functions.h"
#include "base/go_template/parser.h"

namespace bk::go_template {
namespace {

using Result = absl::StatusOr<Value>;
using Operands = std::span<const NodePtr>;

enum class Flow { kOn, kBreak, kContinue };

// What comes from the command before in a pipeline.
using Final = const Value*;

class Evaluation {
 public:
  Evaluation(const Tree& tree, std::string& out) : tree_(tree), out_(out) {}

  absl::Status Run(const std::string& name, const Node& root, const Value& data) {
    std::string outer = std::exchange(name_, name);
    auto variables = std::exchange(variables_, {{"$", data}});
    const Node* node = node_;
    auto flow = Walk(data, root);
    if (!flow.ok()) return flow.status();
    name_ = std::move(outer);
    variables_ = std::move(variables);
    node_ = node;
    return absl::OkStatus();
  }

 private:
  template <typename... Pieces>
  absl::Status Error(const Pieces&... pieces) const {
    if (node_ == nullptr) return Unknown("template: ", name_, ": ", pieces...);
    std::string_view before = std::string_view(tree_.source).substr(0, node_->position);
    auto line = 1 + std::count(before.begin(), before.end(), '\n');
    size_t newline = before.rfind('\n'), column = newline == std::string_view::npos ? before.size() : before.size() - newline - 1;
    return Unknown("template: :", line, ":", column, ": executing ", Quote(name_), " at <", SourceOf(*node_), ">: ", pieces...);
  }

  absl::Status Emit(std::string_view text) {
    if (out_.size() + text.size() > kMaxOutputBytes) return Error("the template prints more than ", kMaxOutputBytes, " bytes");
    out_.append(text);
    return absl::OkStatus();
  }

  // ---- text and blocks ----

  absl::StatusOr<Flow> Walk(const Value& dot, const Node& node) {
    node_ = &node;
    if (++steps_ > kMaxSteps) return Error("the template takes more than ", kMaxSteps, " steps");
    switch (node.kind) {
      case NodeKind::kList:
        for (const NodePtr& child : node.children) {
          BK_TRY(Flow flow, Walk(dot, *child));
          if (flow != Flow::kOn) return flow;
        }
        return Flow::kOn;
      case NodeKind::kText: BK_RETURN_IF_ERROR(Emit(node.text)); return Flow::kOn;
      case NodeKind::kAction: BK_RETURN_IF_ERROR(WalkAction(dot, node)); return Flow::kOn;
      case NodeKind::kIf:
      case NodeKind::kWith: return WalkBranch(dot, node);
      case NodeKind::kRange: return WalkRange(dot, node);
      case NodeKind::kTemplate: BK_RETURN_IF_ERROR(WalkTemplate(dot, node)); return Flow::kOn;
      case NodeKind::kBreak: return Flow::kBreak;
      case NodeKind::kContinue: return Flow::kContinue;
      default: return Error("unknown node: ", SourceOf(node));
    }
  }

  absl::Status WalkAction(const Value& dot, const Node& node) {
    BK_TRY(Value value, Pipeline(dot, *node.pipe));
    if (!node.pipe->variables.empty()) return absl::OkStatus();
    node_ = &node;
    return Emit(PrintedText(value));
  }

  absl::StatusOr<Flow> WalkBranch(const Value& dot, const Node& node) {
    size_t mark = variables_.size();
    BK_TRY(Value value, Pipeline(dot, *node.pipe));
    absl::StatusOr<Flow> flow = Flow::kOn;
    if (IsTrue(value)) {
      flow = Walk(node.kind == NodeKind::kWith ? value : dot, *node.list);
    } else if (node.else_list != nullptr) {
      flow = Walk(dot, *node.else_list);
    }
    variables_.resize(mark);
    return flow;
  }

  // `declared`: where the variables of this range stand.
  absl::StatusOr<Flow> Iteration(const Node& node, size_t declared, const Value& index, const Value& item) {
    size_t count = node.pipe->variables.size();
    for (size_t i = 0; i < count; i++) {
      const Value& value = count == 2 && i == 0 ? index : item;
      if (node.pipe->assigns) {
        BK_RETURN_IF_ERROR(Assign(node.pipe->variables[i]->names[0], value));
      } else {
        variables_[declared + i].second = value;
      }
    }
    size_t mark = variables_.size();
    absl::StatusOr<Flow> flow = Walk(item, *node.list);
    variables_.resize(mark);
    return flow;
  }

  absl::StatusOr<Flow> WalkRange(const Value& dot, const Node& node) {
    size_t mark = variables_.size();
    BK_TRY(Value piped, Pipeline(dot, *node.pipe));
    Value value = Indirect(piped);
    bool counts = value.kind() == Kind::kInt || value.kind() == Kind::kUint, listed = value.kind() == Kind::kSlice || value.kind() == Kind::kMap;
    if (counts && node.pipe->variables.size() > 1) return Error("can't use ", Text(value), " to iterate over more than one variable");
    if (value.valid() && !counts && !listed) return Error("range can't iterate over ", Text(value));
    size_t size = counts ? static_cast<size_t>(std::max<int64_t>(value.integer(), 0)) : value.valid() ? value.size() : 0;
    for (size_t i = 0; i < size; i++) {
      Value number = counts ? Value::IntOf(std::make_shared<const Type>(value.type()), static_cast<int64_t>(i)) : Value::Int(static_cast<int64_t>(i));
      Value item = counts ? number : value.item(i);
      BK_TRY(Flow flow, Iteration(node, mark, value.kind() == Kind::kMap ? value.key(i) : number, item));
      if (flow == Flow::kBreak) break;
    }
    absl::StatusOr<Flow> flow = Flow::kOn;
    if (size == 0 && node.else_list != nullptr) flow = Walk(dot, *node.else_list);
    variables_.resize(mark);
    return flow;
  }

  absl::Status WalkTemplate(const Value& dot, const Node& node) {
    auto body = tree_.named.find(node.text);
    if (body == tree_.named.end()) return Error("template ", Quote(node.text), " not defined");
    if (++depth_ > kMaxTemplateDepth) return Error("exceeded maximum template depth (", kMaxTemplateDepth, ")");
    Value data;
    if (node.pipe != nullptr) BK_ASSIGN(data, Pipeline(dot, *node.pipe));
    BK_RETURN_IF_ERROR(Run(node.text, *body->second, data));
    depth_--;
    return absl::OkStatus();
  }

  // ---- variables ----

  absl::Status Assign(const std::string& name, const Value& value) {
    for (auto it = variables_.rbegin(); it != variables_.rend(); ++it) {
      if (it->first != name) continue;
      it->second = value;
      return absl::OkStatus();
    }
    return Error("undefined variable: ", name);
  }

  Result Variable(const std::string& name) const {
    for (auto it = variables_.rbegin(); it != variables_.rend(); ++it) {
      if (it->first == name) return it->second;
    }
    return Error("undefined variable: ", name);
  }

  // ---- actions ----

  Result Pipeline(const Value& dot, const Node& pipe) {
    node_ = &pipe;
    Value value;
    for (size_t i = 0; i < pipe.children.size(); i++) {
      BK_TRY(Value next, Command(dot, *pipe.children[i], i == 0 ? nullptr : &value));
      value = std::move(next);
    }
    for (const NodePtr& variable : pipe.variables) {
      if (pipe.assigns) {
        BK_RETURN_IF_ERROR(Assign(variable->names[0], value));
      } else {
        variables_.emplace_back(variable->names[0], value);
      }
    }
    return value;
  }

  absl::Status NoArguments(Operands operands, Final final) const {
    if (operands.size() > 1 || final != nullptr) return Error("can't give argument to non-function ", SourceOf(*operands[0]));
    return absl::OkStatus();
  }

  Result Command(const Value& dot, const Node& command, Final final) {
    Operands operands = command.children;
    const Node& first = *operands[0];
    switch (first.kind) {
      case NodeKind::kField:
      case NodeKind::kChain:
      case NodeKind::kVariable: return Fields(dot, first, operands, final);
      case NodeKind::kFunction: return CallFunction(dot, first, command, operands, final);
      case NodeKind::kPipe: BK_RETURN_IF_ERROR(NoArguments(operands, final)); return Pipeline(dot, first);
      default: break;
    }
    node_ = &first;
    BK_RETURN_IF_ERROR(NoArguments(operands, final));
    if (first.kind == NodeKind::kDot) return dot;
    if (first.kind == NodeKind::kNil) return Error("nil is not a command");
    return Constant(first);
  }

  Result Constant(const Node& node) {
    node_ = &node;
    if (!node.value.valid()) return Error(node.text, " overflows int");
    return node.value;
  }

  // .A.B, $x.A and (…).A; the last field may be a method with arguments.
  Result Fields(const Value& dot, const Node& node, Operands operands, Final final) {
    node_ = &node;
    Value receiver = dot;
    size_t at = 0;
    if (node.kind == NodeKind::kVariable) {
      BK_ASSIGN(receiver, Variable(node.names[at++]));
      if (node.names.size() == 1) {
        BK_RETURN_IF_ERROR(NoArguments(operands, final));
        return receiver;
      }
    } else if (node.kind == NodeKind::kChain) {
      if (node.children[0]->kind == NodeKind::kNil) return Error("indirection through explicit nil in ", SourceOf(node));
      BK_ASSIGN(receiver, Argument(dot, *node.children[0]));
    }
    for (; at + 1 < node.names.size(); at++) BK_ASSIGN(receiver, Field(dot, node.names[at], node, {}, nullptr, receiver));
    return Field(dot, node.names[at], node, operands, final, receiver);
  }

  static const Method* FindMethod(const Value& value, const std::string& name) {
    if (!value.valid()) return nullptr;
    for (const Method& method : value.type().methods) {
      if (method.name == name) return &method;
    }
    return nullptr;
  }

  Result Field(const Value& dot, const std::string& name, const Node& node, Operands operands, Final final, const Value& receiver) {
    if (!receiver.valid()) return Value();
    if (const Method* method = FindMethod(receiver, name)) return CallMethod(dot, *method, node, operands, final, receiver);
    Value object = Indirect(receiver);
    if (const Method* method = FindMethod(object, name)) return CallMethod(dot, *method, node, operands, final, object);
    bool arguments = operands.size() > 1 || final != nullptr;
    if (object.kind() == Kind::kStruct) {
      if (const auto* field = object.field(name)) {
        if (arguments) return Error(name, " has arguments but cannot be invoked as function");
        return *field->value;
      }
    } else if (object.kind() == Kind::kMap && object.type_name().starts_with("map[string]")) {
      if (arguments) return Error(name, " is not a method but has arguments");
      for (size_t i = 0; i < object.size(); i++) {
        if (object.key(i).text() == name) return object.item(i);
      }
      return Value();
    } else if (object.kind() == Kind::kPointer) {
      Value target = object.target();
      if (target.kind() != Kind::kStruct || target.field(name) != nullptr) return Error("nil pointer evaluating ", receiver.type_name(), ".", name);
    }
    return Error("can't evaluate field ", name, " in type ", receiver.type_name());
  }

  // ---- calls ----

  absl::Status TextArgument(const Node& operand) const { return Error("expected string; found ", SourceOf(operand)); }

  Result Argument(const Value& dot, const Node& operand) {
    node_ = &operand;
    switch (operand.kind) {
      case NodeKind::kDot: return dot;
      case NodeKind::kNil: return Value();
      case NodeKind::kField:
      case NodeKind::kChain:
      case NodeKind::kVariable: return Fields(dot, operand, {}, nullptr);
      case NodeKind::kPipe: return Pipeline(dot, operand);
      case NodeKind::kFunction: return CallFunction(dot, operand, operand, {}, nullptr);
      default: return Constant(operand);
    }
  }

  // A string; `operand`: null for what comes from the pipeline.
  Result TextOnly(const Value& dot, const Node* operand, Final final) {
    bool literal = operand != nullptr && (operand->kind == NodeKind::kBool || operand->kind == NodeKind::kNumber);
    if (literal) return node_ = operand, TextArgument(*operand);
    if (operand != nullptr && operand->kind == NodeKind::kNil) return node_ = operand, Error("cannot assign nil to string");
    Value value;
    if (operand != nullptr) {
      BK_ASSIGN(value, Argument(dot, *operand));
    } else {
      value = *final;
    }
    if (value.kind() == Kind::kPointer && !value.nil() && value.target().type_name() == "string") value = value.target();
    if (!value.valid()) return Error("invalid value; expected string");
    if (value.type_name() != "string") return Error("wrong type for value; expected string; got ", value.type_name());
    return value;
  }

  Result CallMethod(const Value& dot, const Method& method, const Node& node, Operands operands, Final final, const Value& receiver) {
    size_t given = operands.empty() ? 0 : operands.size() - 1, count = given + (final != nullptr);
    if (count != method.parameters) return Error("wrong number of args for ", method.name, ": want ", method.parameters, " got ", count);
    std::vector<Value> args;
    for (size_t i = 0; i < given; i++) {
      BK_TRY(Value arg, TextOnly(dot, operands[i + 1].get(), nullptr));
      args.push_back(std::move(arg));
    }
    if (final != nullptr) {
      BK_TRY(Value arg, TextOnly(dot, nullptr, final));
      args.push_back(std::move(arg));
    }
    node_ = &node;
    if (receiver.kind() == Kind::kPointer && receiver.nil() && !method.of_pointer) {
      std::string type = receiver.target().type_name(), word = type.substr(type.rfind('.') + 1);
      return Error("error calling ", method.name, ": value method ", type, ".", method.name, " called using nil *", word, " pointer");
    }
    auto result = method.call(receiver, args);
    if (!result.ok()) return Error("error calling ", method.name, ": ", Message(result.status()));
    return result;
  }

  Result CallFunction(const Value& dot, const Node& name_node, const Node& node, Operands operands, Final final) {
    node_ = &name_node;
    const std::string& name = name_node.text;
    const Function* function = FindFunction(name);
    if (function == nullptr) return Error(Quote(name), " is not a defined function");
    Operands given = operands.empty() ? operands : operands.subspan(1);
    size_t count = given.size() + (final != nullptr);
    if (function->variadic && count < function->fixed) return Error("wrong number of args for ", name, ": want at least ", function->fixed, " got ", given.size());
    if (!function->variadic && count != function->fixed) return Error("wrong number of args for ", name, ": want ", function->fixed, " got ", count);
    bool is_and = name == "and", is_or = name == "or";
    std::vector<Value> args;
    for (const NodePtr& operand : given) {
      BK_TRY(Value arg, function->text_first && args.empty() ? TextOnly(dot, operand.get(), nullptr) : Argument(dot, *operand));
      bool decided = (is_and && !IsTrue(arg)) || (is_or && IsTrue(arg));
      args.push_back(std::move(arg));
      if (decided) return args.back();
    }
    if (final != nullptr) {
      BK_TRY(Value arg, function->text_first && args.empty() ? TextOnly(dot, nullptr, final) : Result(*final));
      args.push_back(std::move(arg));
    }
    auto result = function->call(args);
    if (result.ok()) return result;
    node_ = &node;
    if (name == "call" && !given.empty() && args[0].valid()) return Error("error calling call: non-function ", SourceOf(*given[0]), " of type ", args[0].type_name());
    return Error("error calling ", name, ": ", Message(result.status()));
  }

  const Tree& tree_;
  std::string& out_;
  std::string name_;
  const Node* node_ = nullptr;
  std::vector<std::pair<std::string, Value>> variables_;
  size_t steps_ = 0;
  int depth_ = 0;
};

}  // namespace

absl::StatusOr<Template> Template::Parse(std::string_view source) {
  BK_TRY(Tree tree, go_template::Parse(source, FunctionNames()));
  return Template(std::make_shared<const Tree>(std::move(tree)));
}

absl::Status Template::Execute(const Value& data, std::string& out) const { return Evaluation(*tree_, out).Run("", *tree_->root, data); }

}  // namespace bk::go_template
