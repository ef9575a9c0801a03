# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Sourced by the tests here. ctest gives them the directories and the tools.
set -euo pipefail
source_dir=$1 build_dir=$2
shift 2
tools=("$@")

failures=0
checks=0

# check COMMAND... : counts it; a failed one is told.
check() {
  checks=$((checks + 1))
  if ! "$@"; then
    failures=$((failures + 1))
    echo "failed: $*"
  fi
}

# equal WHAT GOT WANTED
equal() { [[ $2 == "$3" ]] || { printf '%s:\n  got    %s\n  wanted %s\n' "$1" "$2" "$3"; return 1; }; }

finish() {
  echo "$checks checks, $failures failed"
  ((checks > 0 && failures == 0))
}

help_of() { "$build_dir/bin/$1" --help; }
options_of() { help_of "$1" | grep -oE '^  (-.(, --[a-z0-9-]+)?|    --[a-z0-9-]+)' | tr -s ', ' '\n' | grep .; }
columns_of() { help_of "$1" | sed -nE '/^Columns/,/^$/s/^  ([A-Za-z0-9_]+).*/\L\1/p'; }
