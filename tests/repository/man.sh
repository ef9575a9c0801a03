# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The manual pages: each tool has one, without errors, that tells of each of its options and columns;
# what all tools share is in needle(7).
source "$(dirname "$0")/common.sh"

man_dir=$source_dir/man

# The page as plain text.
page() { MANWIDTH=100 MANROFFOPT=-c man --no-hyphenation -l "$man_dir/$1" 2>/dev/null | sed 's/.\x08//g'; }
no_warnings() {
  local warnings
  warnings=$(LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -E UTF-8 -l "$man_dir/$1" 2>&1 >/dev/null)
  [[ -z $warnings ]] || { echo "$warnings"; return 1; }
}
# That an entry of a list begins with the word: behind a blank line or a heading.
has_entry() {
  awk -v entry="^ +$2([ ,|=]|\$)" 'before !~ /^    / && $0 ~ entry { found = 1 } { before = $0 } END { exit !found }' "$1"
}
# What the tool has of its own is in its page, what it shares is in needle(7) alone: a list that repeats it goes stale.
own_options_of() { help_of "$1" | sed -n '/^Options of /,/^$/p' | grep -oE '^  (-.(, --[a-z0-9-]+)?|    --[a-z0-9-]+)' | tr -s ', ' '\n' | grep .; }
shared_options_of() { comm -23 <(options_of "$1" | sort) <(own_options_of "$1" | sort); }
does_not_list() {
  ! has_entry "$work/$1" "(-., )?$2" && ! sed -n '/^OPTIONS/,/^ *-/p' "$work/$1" | sed '$d' | grep -E -- "(^|[ (,])$2([ ,.|=)]|\$)" ||
    { echo "$1 lists $2, which is shared"; return 1; }
}
explains() { has_entry "$work/$1" "$2" || has_entry "$work/needle.7" "$2" || { echo "$1 does not explain $2"; return 1; }; }
explained_in() {
  local entry=$1 page
  shift
  for page in "$@" "$work/needle.7"; do ! has_entry "$page" "$entry" || return 0; done
  echo "no page explains $entry"
  return 1
}
names_section() { grep -qE "^$2" "$work/$1" || { echo "$1 has no section $2"; return 1; }; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
page needle.7 >"$work/needle.7"
check no_warnings needle.7
for tool in "${tools[@]}"; do
  check test -f "$man_dir/$tool.8"
  [[ -f $man_dir/$tool.8 ]] || continue
  page "$tool.8" >"$work/$tool.8"
  check no_warnings "$tool.8"
  for section in NAME SYNOPSIS DESCRIPTION OPTIONS COLUMNS EXAMPLES 'EXIT STATUS' 'SEE ALSO'; do
    check names_section "$tool.8" "$section"
  done
  # needle, the last one, has the options of all: their pages explain them.
  if [[ $tool == needle ]]; then pages=("$work"/*.8); else pages=("$work/$tool.8"); fi
  for option in $(options_of "$tool"); do
    check explained_in "(-., )?$option" "${pages[@]}"
  done
  for option in $(shared_options_of "$tool" | grep -vxF -- --list); do
    check has_entry "$work/needle.7" "(-., )?$option"
    check does_not_list "$tool.8" "$option"
  done
  [[ $tool == needle ]] || for option in $(own_options_of "$tool"); do check has_entry "$work/$tool.8" "(-., )?$option"; done
  for column in $(columns_of "$tool"); do check explains "$tool.8" "$column"; done
done
finish
