#include "base/go_template/parser.h"

#include <algorithm>
#include <utility>

#include "base/go_template/lexer.h"
#include "base/go_template/literal.h"

namespace bk::go_template {
namespace {

using Names = std::set<std::string, std::less<>>;

NodePtr Make(NodeKind kind, size_t position, std::string text = "") {
  auto node = std::make_unique<Node>();
  node->kind = kind;
  node->position = position;
  node->text = std::move(text);
  return node;
}

bool IsLiteral(NodeKind kind) {
  return kind == NodeKind::kBool || kind == NodeKind::kDot || kind == NodeKind::kNil || kind == NodeKind::kNumber || kind == NodeKind::kString;
}

// Nothing but spaces and definitions.
bool IsBlank(const Node& node) {
  if (node.kind == NodeKind::kText) return node.text.find_first_not_of(" \t\r\n\v\f") == std::string::npos;
  if (node.kind != NodeKind::kList) return false;
  return std::all_of(node.children.begin(), node.children.end(), [](const NodePtr& child) { return IsBlank(*child); });
}

class Parser {
 public:
  Parser(std::string_view source, const Names& functions) : lexer_(source), functions_(functions) { tree_.source = source; }

  absl::StatusOr<Tree> Run() {
    tree_.root = Make(NodeKind::kList, 0);
    for (Token token; (token = Peek()).kind != TokenKind::kEnd;) {
      if (token.kind == TokenKind::kLeftDelimiter) {
        Next();
        if (Token word = NextWord(); word.kind == TokenKind::kKeyword && word.text == "define") {
          BK_RETURN_IF_ERROR(Define());
          continue;
        } else {
          Back(word);
        }
        Back(token);
      }
      BK_TRY(NodePtr node, TextOrAction());
      if (node->kind == NodeKind::kEnd || node->kind == NodeKind::kElse) return Error("unexpected ", SourceOf(*node));
      tree_.root->children.push_back(std::move(node));
    }
    return std::move(tree_);
  }

 private:
  using Result = absl::StatusOr<NodePtr>;

  Token Next() {
    if (!pushed_.empty()) {
      Token token = std::move(pushed_.back());
      pushed_.pop_back();
      line_ = token.line;
      return token;
    }
    Token token = lexer_.Next();
    line_ = token.line;
    return token;
  }
  void Back(Token token) { pushed_.push_back(std::move(token)); }
  Token Peek() {
    Token token = Next();
    Back(token);
    return token;
  }
  Token NextWord() {
    Token token = Next();
    while (token.kind == TokenKind::kSpace) token = Next();
    return token;
  }
  Token PeekWord() {
    Token token = NextWord();
    Back(token);
    return token;
  }

  template <typename... Pieces>
  absl::Status Error(const Pieces&... pieces) const {
    return InvalidArgument("template: :", line_, ": ", pieces...);
  }
  absl::Status Unexpected(const Token& token, std::string_view context) const {
    if (token.kind != TokenKind::kError) return Error("unexpected ", token.Name(), " in ", context);
    std::string extra;
    if (action_line_ != 0 && action_line_ != token.line) {
      extra = StrCat(" in action started at :", action_line_);
      if (token.text.ends_with(" action")) extra.erase(0, sizeof " in action" - 1);  // no "action in action"
    }
    return Error(token.text, extra);
  }
  absl::Status Expect(TokenKind kind, std::string_view context) {
    Token token = NextWord();
    return token.kind == kind ? absl::OkStatus() : Unexpected(token, context);
  }

  Result TextOrAction() {
    Token token = NextWord();
    if (token.kind == TokenKind::kText) return Make(NodeKind::kText, token.position, token.text);
    if (token.kind != TokenKind::kLeftDelimiter) return Unexpected(token, "input");
    action_line_ = token.line;
    Result node = Action();
    action_line_ = 0;
    return node;
  }

  // Up to {{end}} or {{else}}, which is given back in `closing`.
  Result List(NodePtr& closing) {
    if (++depth_ > kMaxNesting) return Error("blocks are nested too deeply (", kMaxNesting, " at most)");
    NodePtr list = Make(NodeKind::kList, PeekWord().position);
    while (PeekWord().kind != TokenKind::kEnd) {
      BK_TRY(NodePtr node, TextOrAction());
      if (node->kind == NodeKind::kEnd || node->kind == NodeKind::kElse) {
        closing = std::move(node);
        depth_--;
        return list;
      }
      list->children.push_back(std::move(node));
    }
    return Error("unexpected EOF");
  }

  Result Action() {
    Token token = NextWord();
    if (token.kind == TokenKind::kKeyword) {
      const std::string& word = token.text;
      if (word == "block") return Block();
      if (word == "break" || word == "continue") return LoopWord(token);
      if (word == "else") return Else();
      if (word == "end") {
        BK_RETURN_IF_ERROR(Expect(TokenKind::kRightDelimiter, "end"));
        return Make(NodeKind::kEnd, token.position);
      }
      if (word == "if") return Control(NodeKind::kIf, token);
      if (word == "range") return Control(NodeKind::kRange, token);
      if (word == "with") return Control(NodeKind::kWith, token);
      if (word == "template") return Template();
    }
    Back(token);
    NodePtr action = Make(NodeKind::kAction, token.position);
    BK_TRY(action->pipe, Pipeline("command", TokenKind::kRightDelimiter));  // its variables live until {{end}}
    return action;
  }

  Result LoopWord(const Token& word) {
    Token token = NextWord();
    if (token.kind != TokenKind::kRightDelimiter) return Unexpected(token, "{{" + word.text + "}}");
    if (ranges_ == 0) return Error("{{", word.text, "}} outside {{range}}");
    return Make(word.text == "break" ? NodeKind::kBreak : NodeKind::kContinue, word.position);
  }

  Result Else() {
    Token token = PeekWord();
    bool chained = token.kind == TokenKind::kKeyword && (token.text == "if" || token.text == "with");
    if (!chained) BK_RETURN_IF_ERROR(Expect(TokenKind::kRightDelimiter, "else"));
    return Make(NodeKind::kElse, token.position);
  }

  // {{if}}, {{range}} and {{with}}.
  Result Control(NodeKind kind, const Token& word) {
    size_t variables = variables_.size();
    NodePtr node = Make(kind, word.position);
    BK_TRY(node->pipe, Pipeline(word.text, TokenKind::kRightDelimiter));
    node->position = node->pipe->position;
    if (kind == NodeKind::kRange) ranges_++;
    NodePtr closing;
    BK_TRY(node->list, List(closing));
    if (kind == NodeKind::kRange) ranges_--;
    if (closing->kind == NodeKind::kElse) BK_ASSIGN(node->else_list, ElseList(kind, word.text, *closing));
    variables_.resize(variables);
    return node;
  }

  Result ElseList(NodeKind kind, const std::string& word, const Node& closing) {
    Token next = Peek();
    bool chained = kind != NodeKind::kRange && next.kind == TokenKind::kKeyword && next.text == word;
    if (chained) {  // "{{else if …}}": one {{end}} closes both
      if (++depth_ > kMaxNesting) return Error("blocks are nested too deeply (", kMaxNesting, " at most)");
      Next();
      NodePtr list = Make(NodeKind::kList, closing.position);
      BK_TRY(NodePtr inner, Control(kind, next));
      list->children.push_back(std::move(inner));
      depth_--;
      return list;
    }
    NodePtr end;
    BK_TRY(NodePtr list, List(end));
    if (end->kind != NodeKind::kEnd) return Error("expected end; found ", SourceOf(*end));
    return list;
  }

  absl::StatusOr<std::string> Name(const Token& token, std::string_view context) const {
    if (token.kind != TokenKind::kString && token.kind != TokenKind::kRawString) return Unexpected(token, context);
    auto name = Unquote(token.text);
    return name.ok() ? name : Error(Message(name.status()));
  }

  // What {{define}} and {{block}} have in common: a body with variables of its own.
  absl::Status Body(const std::string& name, std::string_view context) {
    auto variables = std::exchange(variables_, {"$"});
    int ranges = std::exchange(ranges_, 0);
    NodePtr closing;
    BK_TRY(NodePtr body, List(closing));
    if (closing->kind != NodeKind::kEnd) return Error("unexpected ", SourceOf(*closing), " in ", context);
    variables_ = std::move(variables);
    ranges_ = ranges;
    NodePtr& slot = tree_.named[name];
    if (slot != nullptr && !IsBlank(*slot)) {
      if (!IsBlank(*body)) return Error("template: multiple definition of template ", Quote(name));
      return absl::OkStatus();
    }
    slot = std::move(body);
    return absl::OkStatus();
  }

  absl::Status Define() {
    BK_TRY(std::string name, Name(NextWord(), "define clause"));
    BK_RETURN_IF_ERROR(Expect(TokenKind::kRightDelimiter, "define clause"));
    return Body(name, "define clause");
  }

  Result Block() {
    Token token = NextWord();
    BK_TRY(std::string name, Name(token, "block clause"));
    NodePtr node = Make(NodeKind::kTemplate, token.position, name);
    BK_TRY(node->pipe, Pipeline("block clause", TokenKind::kRightDelimiter));
    BK_RETURN_IF_ERROR(Body(name, "block clause"));
    return node;
  }

  Result Template() {
    Token token = NextWord();
    BK_TRY(std::string name, Name(token, "template clause"));
    NodePtr node = Make(NodeKind::kTemplate, token.position, name);
    if (Token next = NextWord(); next.kind != TokenKind::kRightDelimiter) {
      Back(next);
      BK_TRY(node->pipe, Pipeline("template clause", TokenKind::kRightDelimiter));
    }
    return node;
  }

  // "$x :=", "$i, $x :=", "$x =" before the commands.
  absl::Status Variables(Node& pipe, std::string_view context) {
    while (true) {
      Token variable = NextWord();
      if (variable.kind != TokenKind::kVariable) return Back(variable), absl::OkStatus();
      Token after = Next();
      Token next = after;
      while (next.kind == TokenKind::kSpace) next = Next();
      bool sets = next.kind == TokenKind::kAssign || next.kind == TokenKind::kDeclare, comma = next.kind == TokenKind::kCharacter && next.text == ",";
      if (!sets && !comma) {  // an operand: the space behind it matters
        Back(next);
        if (after.kind == TokenKind::kSpace) Back(after);
        Back(variable);
        return absl::OkStatus();
      }
      NodePtr node = Make(NodeKind::kVariable, variable.position);
      node->names = {variable.text};
      pipe.variables.push_back(std::move(node));
      variables_.push_back(variable.text);
      if (sets) {
        pipe.assigns = next.kind == TokenKind::kAssign;
        return absl::OkStatus();
      }
      if (context != "range" || pipe.variables.size() >= 2) return Error("too many declarations in ", context);
      TokenKind second = PeekWord().kind;
      bool good = second == TokenKind::kVariable || second == TokenKind::kRightDelimiter || second == TokenKind::kRightParen;
      if (!good) return Error("range can only initialize variables");
    }
  }

  Result Pipeline(std::string_view context, TokenKind end) {
    NodePtr pipe = Make(NodeKind::kPipe, PeekWord().position);
    BK_RETURN_IF_ERROR(Variables(*pipe, context));
    while (true) {
      Token token = NextWord();
      if (token.kind == end) break;
      bool operand = token.kind == TokenKind::kLeftParen || (token.kind >= TokenKind::kBool && token.kind <= TokenKind::kNil);
      if (!operand) return Unexpected(token, context);
      Back(token);
      BK_TRY(NodePtr command, Command());
      pipe->children.push_back(std::move(command));
    }
    if (pipe->children.empty()) return Error("missing value for ", context);
    for (size_t i = 1; i < pipe->children.size(); i++) {
      if (IsLiteral(pipe->children[i]->children[0]->kind)) return Error("non executable command in pipeline stage ", i + 1);
    }
    return pipe;
  }

  Result Command() {
    NodePtr command = Make(NodeKind::kCommand, PeekWord().position);
    while (true) {
      PeekWord();
      BK_TRY(NodePtr operand, Operand());
      if (operand != nullptr) command->children.push_back(std::move(operand));
      Token token = Next();
      if (token.kind == TokenKind::kSpace) continue;
      if (token.kind == TokenKind::kRightDelimiter || token.kind == TokenKind::kRightParen) {
        Back(token);
      } else if (token.kind != TokenKind::kPipe) {
        return Unexpected(token, "operand");
      }
      break;
    }
    if (command->children.empty()) return Error("empty command");
    return command;
  }

  // A term with the fields that are asked of it; null if there is none.
  Result Operand() {
    BK_TRY(NodePtr term, Term());
    Token token = Peek();
    if (term == nullptr || token.kind != TokenKind::kField) return term;
    if (IsLiteral(term->kind)) return Error("unexpected . after term ", Quote(SourceOf(*term)));
    std::vector<std::string> names;
    while (Peek().kind == TokenKind::kField) names.push_back(Next().text.substr(1));
    if (term->kind != NodeKind::kField && term->kind != NodeKind::kVariable) {
      NodePtr chain = Make(NodeKind::kChain, token.position);
      chain->children.push_back(std::move(term));
      chain->names = std::move(names);
      return chain;
    }
    term->position = token.position;
    term->names.insert(term->names.end(), names.begin(), names.end());
    return term;
  }

  Result Literal(NodeKind kind, const Token& token, absl::StatusOr<Value> value) const {
    if (!value.ok()) return Error(Message(value.status()));
    NodePtr node = Make(kind, token.position, token.text);
    node->value = *std::move(value);
    return node;
  }

  Result Term() {
    Token token = NextWord();
    switch (token.kind) {
      case TokenKind::kName:
        if (!functions_.contains(token.text)) return Error("function ", Quote(token.text), " not defined");
        return Make(NodeKind::kFunction, token.position, token.text);
      case TokenKind::kDot: return Make(NodeKind::kDot, token.position);
      case TokenKind::kNil: return Make(NodeKind::kNil, token.position);
      case TokenKind::kVariable: {
        if (std::find(variables_.begin(), variables_.end(), token.text) == variables_.end()) return Error("undefined variable ", Quote(token.text));
        NodePtr node = Make(NodeKind::kVariable, token.position);
        node->names = {token.text};
        return node;
      }
      case TokenKind::kField: {
        NodePtr node = Make(NodeKind::kField, token.position);
        node->names = {token.text.substr(1)};
        return node;
      }
      case TokenKind::kBool: return Literal(NodeKind::kBool, token, Value::Bool(token.text == "true"));
      case TokenKind::kRune: return Literal(NodeKind::kNumber, token, ParseRune(token.text));
      case TokenKind::kNumber: return Literal(NodeKind::kNumber, token, ParseNumber(token.text));
      case TokenKind::kString:
      case TokenKind::kRawString: {
        auto text = Unquote(token.text);
        return Literal(NodeKind::kString, token, text.ok() ? absl::StatusOr<Value>(Value::String(*std::move(text))) : text.status());
      }
      case TokenKind::kLeftParen: {
        if (++depth_ > kMaxNesting) return Error("max expression depth exceeded");
        Result pipe = Pipeline("parenthesized pipeline", TokenKind::kRightParen);
        depth_--;
        return pipe;
      }
      default: Back(token); return NodePtr();
    }
  }

  Lexer lexer_;
  const Names& functions_;
  Tree tree_;
  std::vector<Token> pushed_;
  std::vector<std::string> variables_{"$"};
  int line_ = 1, action_line_ = 0, ranges_ = 0;
  size_t depth_ = 0;
};

}  // namespace

absl::StatusOr<Tree> Parse(std::string_view source, const Names& functions) {
  if (source.size() > kMaxSourceBytes) return InvalidArgument("template: :1: the template is larger than ", kMaxSourceBytes, " bytes");
  return Parser(source, functions).Run();
}

}  // namespace bk::go_template
