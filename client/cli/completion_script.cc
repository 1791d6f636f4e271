// What shells load to complete the words of buildctl.
#include "client/cli/completion.h"

namespace bk::client {
namespace {

// Bash cuts words at `=` and `:` too (COMP_WORDBREAKS); the line is cut at spaces here, and what bash has passed already is taken
// off the front of what is offered.
constexpr char kBash[] = R"sh(# Completion of buildctl for bash: source <(buildctl completion bash)
_buildctl_complete() {
  local line="${COMP_LINE:0:COMP_POINT}" current="" answer text start
  local -a words
  read -ra words <<< "$line"
  if [[ $line == *[[:space:]] ]]; then words+=(""); else current="${words[-1]}"; fi
  local passed="${current%"${current##*[=:]}"}"
  COMPREPLY=()
  while IFS= read -r answer; do
    text="${answer%%$'\t'*}"
    case "$answer" in
      ":files "*|":directories "*)
        start="${answer#* }"
        local kind=-f; [[ $answer == :directories* ]] && kind=-d
        compopt -o filenames 2>/dev/null
        while IFS= read -r text; do
          text="$start$text"; COMPREPLY+=("${text#"$passed"}")
        done < <(compgen $kind -- "${current#"$start"}") ;;
      *)
        [[ $text == *[=:/] ]] && compopt -o nospace 2>/dev/null
        COMPREPLY+=("${text#"$passed"}") ;;
    esac
  done < <("${words[0]}" "${words[@]:1}" --generate-shell-completion 2>/dev/null)
}
complete -F _buildctl_complete buildctl
)sh";

constexpr char kZsh[] = R"sh(#compdef buildctl
# Completion of buildctl for zsh: source <(buildctl completion zsh), after compinit
_buildctl_complete() {
  local answer text start
  local -a plain open
  for answer in "${(@f)$("${words[1]}" "${(@)words[2,CURRENT-1]}" "${words[CURRENT]}" --generate-shell-completion 2>/dev/null)}"; do
    text="${answer%%$'\t'*}"
    case "$answer" in
      (:files\ *) start="${answer#* }"; compset -P "${(b)start}"; _files ;;
      (:directories\ *) start="${answer#* }"; compset -P "${(b)start}"; _files -/ ;;
      (*[=:/]) open+=("$text") ;;
      (?*) plain+=("$text") ;;
    esac
  done
  (( $#plain )) && compadd -- "${plain[@]}"
  (( $#open )) && compadd -S '' -- "${open[@]}"
}
compdef _buildctl_complete buildctl
)sh";

constexpr char kFish[] = R"sh(# Completion of buildctl for fish: buildctl completion fish > ~/.config/fish/completions/buildctl.fish
function __buildctl_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  for answer in ($words[1] $words[2..-1] "$current" --generate-shell-completion 2>/dev/null)
    switch $answer
      case ':files *' ':directories *'
        set -l start (string replace -r '^:\S+ ' '' -- $answer)
        set -l paths __fish_complete_path
        string match -q ':directories *' -- $answer; and set paths __fish_complete_directories
        for path in ($paths (string replace -- "$start" '' $current))
          test -n "$path"; and echo $start$path
        end
      case '*'
        echo $answer
    end
  end
end
complete -c buildctl -f -a '(__buildctl_complete)'
)sh";

}  // namespace

absl::StatusOr<std::string> CompletionScript(const std::vector<std::string>& args) {
  constexpr char kShells[] = "[bash fish zsh]";
  if (args.empty()) return InvalidArgument("no shell provided for completion command. available shells are ", kShells);
  if (args[0] == "bash") return std::string(kBash);
  if (args[0] == "zsh") return std::string(kZsh);
  if (args[0] == "fish") return std::string(kFish);
  return InvalidArgument("unknown shell ", args[0], ", available shells are ", kShells);
}

}  // namespace bk::client
