# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# README.md: says within ten lines what to type; its commands have options and columns that exist, its sessions headings of those
# columns. The version stands once, and CHANGELOG.md begins with it.
source "$(dirname "$0")/common.sh"

readme=$source_dir/README.md
tool_names=$(IFS='|'; echo "${tools[*]}")
# Every command of a tool: those of code blocks, without what stands beside them, and in front.
commands() {
  grep -E "^    (\\$ )?(sudo )?(\./run )?($tool_names)( |$)" "$readme" |
    sed -E 's/^ *(\$ )?(sudo )?(\.\/run )?//; s/ {3,}.*//; s/ \| .*//; s/ -- .*//'
}
takes_it() { # COMMAND: options and columns exist
  local tool word list=
  read -ra words <<<"$1"
  tool=${words[0]}
  for word in "${words[@]:1}"; do
    if [[ $list ]]; then
      for column in ${word//[,+]/ }; do
        columns_of "$tool" | grep -qx "$column" || { echo "$1: there is no column $column"; return 1; }
      done
    elif [[ $word == -* ]]; then
      options_of "$tool" | grep -qxe "$word" || { echo "$1: there is no option $word"; return 1; }
    fi
    [[ $word == -o || $word == --columns ]] && list=1 || list=
  done
}
headed() { # a session's command and the line behind it
  local tool name
  tool=$(grep -oE "($tool_names)" <<<"$1" | head -n 1)
  for name in $2; do
    columns_of "$tool" | grep -qx "${name,,}" || { echo "$1: there is no column $name"; return 1; }
  done
}

check test "$(commands | wc -l)" -ge 15
while IFS= read -r command; do check takes_it "$command"; done < <(commands)
check test "$(head -n 10 "$readme" | grep -cE "^    sudo \./run ($tool_names)")" -ge 1
sessions=$(grep -cE '^    \$ ' "$readme")
check test "$sessions" -ge "${#tools[@]}"
while IFS= read -r command && IFS= read -r heading; do check headed "$command" "$heading"; done < <(grep -E -A1 '^    \$ ' "$readme" | grep -v '^--$')
for tool in "${tools[@]}"; do
  grep -q "sudo \./run $tool" "$readme" || check equal "README.md shows $tool before it is installed" "" yes
done

version=$(sed -nE 's/^project\(.* VERSION ([0-9.]+).*/\1/p' "$source_dir/CMakeLists.txt")
check equal 'CHANGELOG.md begins with' "$(sed -n 's/^## \([0-9.]*\).*/\1/p' "$source_dir/CHANGELOG.md" | head -n 1)" "$version"
check equal 'files that have the version' \
  "$(cd "$source_dir" && grep -rlFw --exclude-dir='build*' --exclude-dir=.git -- "$version" CMakeLists.txt bpf common tools packaging man run | sort)" CMakeLists.txt
finish
