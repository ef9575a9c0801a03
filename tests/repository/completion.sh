# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# In bash, zsh and fish, with the completion sourced: options, columns, and the values of options; then a command's own.
source "$(dirname "$0")/common.sh"

compopt() { :; }  # there is no readline here
source "$build_dir/completion/needle"
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT
mkdir a_directory names
export PATH=$build_dir/bin:$PWD/names:$PATH
events=$("$build_dir/bin/needle" --list | sed -nE 's/^  [* ]([a-z]+) +([a-z]+) .*/\1 \2/p')
for tool in "${tools[@]}"; do ln -s "$build_dir/bin/$tool" "names/needle-$tool"; done  # as packages have them

# complete_words SHELL TOOL WORD... : what is offered for the last word, sorted, in one line. WORD: as bash divides them.
complete_words() { "${1}_words" "${@:2}" | sorted; }
sorted() { sort -u | paste -sd ' '; }
bash_words() {
  COMP_WORDS=("$@")
  COMP_CWORD=$(($# - 1))
  "$(complete -p "$1" | sed -E 's/.* -F ([^ ]+) .*/\1/')" "$1"
  printf '%s\n' "${COMPREPLY[@]}"
}
fish_words() {
  local line="$*"
  fish --no-config -c "source $build_dir/completion/needle.fish; complete -C '${line// = /=}'" | cut -f 1
}
# zsh completes in its line editor only: what it shows there, the line included.
zsh_words() {
  local line="$*"
  zsh -f "$source_dir/tests/repository/complete.zsh" "$build_dir/completion/needle.zsh" "${line// = /=}"
}
offers() {
  local word=$1
  shift
  grep -qwF -- "$word" <<<"$(complete_words "$@")" || { echo "$word is not offered for: $*"; return 1; }
}

shells=(bash)  # the others where they are, as in ./run tests
for shell in zsh fish; do
  if command -v $shell >/dev/null; then shells+=($shell); else check equal "$shell" "not installed" ""; fi
done
for tool in "${tools[@]}"; do
  columns=$(columns_of "$tool" | sorted)
  first=() later=()
  [[ $tool != needle ]] || read -rd '' -a first <<<"$events report" || mapfile -t later < <(cut -d ' ' -f 1 <<<"$events")
  check equal "$tool: all options" "$(complete_words bash "$tool" '')" "$( (options_of "$tool"; printf '%s\n' -- "${first[@]}") | sorted)"
  check equal "$tool: behind an option without argument" \
    "$(complete_words bash "$tool" -x '')" "$( (options_of "$tool"; printf '%s\n' -- "${later[@]}") | sorted)"
  for option in $(options_of "$tool"); do check offers "$option" bash "$tool" "${option:0:-1}"; done
  for o in -o --columns; do
    check equal "$tool $o: all columns" "$(complete_words bash "$tool" $o '')" "$columns"
    check equal "$tool $o: added" "$(complete_words bash "$tool" $o +)" "$(printf '+%s\n' $columns | sorted)"
    check equal "$tool $o: one more" "$(complete_words bash "$tool" $o pid,ti)" "$(columns_of "$tool" | sed -n s/^ti/pid,ti/p | sorted)"
  done
  check equal "$tool --color=" "$(complete_words bash "$tool" --color =)" "always auto never"
  check equal "$tool --hook" "$(complete_words bash "$tool" --hook '')" "fentry tp"
  check equal "$tool: nothing for a number" "$(complete_words bash "$tool" --count '')" ""
  [[ $tool == needle ]] || check offers root bash "needle-$tool" -u roo
done
tool=opensnoop
for shell in "${shells[@]}"; do
  check offers --exclude-comm $shell $tool --exclude-com
  check offers time $shell $tool -o ti
  check offers pid,time $shell $tool -o pid,ti
  check offers root $shell $tool -u roo
  check offers 0,root $shell $tool --uid 0,roo
  check offers $$ $shell $tool --tree ${$%?}
  check offers root $shell $tool --run-as roo
  check offers a_directory $shell $tool --cgroup a_
  check offers O_CREAT $shell $tool -f O_CR
  check offers unix $shell connectsnoop --proto tcp,un
  check offers always $shell $tool --color al
  check offers always $shell $tool --color = al
  check offers bashbug $shell $tool -x -- bashb
  check offers a_directory $shell $tool -x -- ls a_
  check offers root $shell needle-$tool -u roo
  check offers execsnoop $shell needle execs
  check offers exec,open $shell needle exec,op
  check offers open $shell needle connect --port 1 , op
  check offers unix $shell needle connect --proto un
  check offers --path $shell needle opensnoop --pa
  check offers time $shell needle opensnoop -o ti
  check offers a_directory $shell needle opensnoop -x -- ls a_
  check offers a_directory $shell needle -x -- ls a_
done
finish
