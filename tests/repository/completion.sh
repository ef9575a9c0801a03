# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Every option and column that --help lists is completed, and so are their arguments.
source "$(dirname "$0")/common.sh"

compopt() { :; }  # there is no readline here

# complete_words TOOL WORD... : what is offered for the last word, sorted, in one line.
complete_words() {
  COMP_WORDS=("$@")
  COMP_CWORD=$(($# - 1))
  "$function" "$1"
  printf '%s\n' "${COMPREPLY[@]}" | sorted
}
sorted() { sort -u | paste -sd ' '; }
offers() {
  local word=$1
  shift
  grep -qwF -- "$word" <<<"$(complete_words "$@")" || { echo "$word is not offered for: $*"; return 1; }
}

cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT
mkdir a_directory
for tool in "${tools[@]}"; do
  # Installed under the tool's name: the script takes its own.
  ln -s "$source_dir/completion/needle" "$tool"
  source "./$tool"
  function=$(complete -p "$tool" | sed -E 's/.* -F ([^ ]+) .*/\1/')
  path=$build_dir/bin/$tool

  columns=$(columns_of "$tool" | sorted)
  check equal "$tool: all options" "$(complete_words "$path" '')" "$(options_of "$tool" | sorted)"
  for option in $(options_of "$tool"); do check offers "$option" "$path" "${option:0:-1}"; done
  check equal "$tool: behind an option without argument" \
    "$(complete_words "$path" -x '')" "$(options_of "$tool" | sorted)"
  for o in -o --columns; do
    check equal "$tool $o: all columns" "$(complete_words "$path" $o '')" "$columns"
    check equal "$tool $o: added" "$(complete_words "$path" $o +)" "$(printf '+%s\n' $columns | sorted)"
    check equal "$tool $o: one more" "$(complete_words "$path" $o pid,ti)" "$(columns_of "$tool" | sed -n s/^ti/pid,ti/p | sorted)"
  done
  check offers root "$path" -u roo
  check offers "0,root" "$path" --uid 0,roo
  check offers $$ "$path" -p ''
  check offers $$ "$path" --tid ${$%?}
  check offers $$ "$path" --tree ''
  check offers root "$path" --run-as roo
  check offers a_directory "$path" --cgroup a_
  check offers bash "$path" -x -- bas
  check offers a_directory "$path" -x -- ls a_
  check equal "$tool --color" "$(complete_words "$path" --color '')" "always auto never"
  check equal "$tool --color=al" "$(complete_words "$path" --color = al)" "always"
  check equal "$tool --color=" "$(complete_words "$path" --color =)" "always auto never"
  check equal "$tool --hook" "$(complete_words "$path" --hook '')" "fentry tp"
  check equal "$tool: nothing for a number" "$(complete_words "$path" --count '')" ""
done
finish
