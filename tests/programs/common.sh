# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Sourced by the tests of what other programs make of the tools' output. These are started by the test, with files, sockets and
# ports of its own.
source "$(dirname "${BASH_SOURCE[0]}")/../repository/common.sh"
share=$source_dir/share
PATH=$build_dir/bin:$PATH
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$work"' EXIT

# eventually COMMAND...: within half a minute.
eventually() {
  local i
  for ((i = 0; i < 300; i++)); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.1
  done
  echo "never: $*"
  return 1
}
for program in "${needs[@]}"; do
  command -v "$program" >/dev/null || { echo "there is no $program: ./run --help lists the packages of the tests"; exit 1; }
done
