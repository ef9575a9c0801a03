# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# --help: fits 80 columns, on standard output, and knows the options that all tools share.
source "$(dirname "$0")/common.sh"

shared="-C --containers -p --pid -t --tid -u --uid --euid -n --comm -x --failed --cgroup --mnt-ns --pid-ns --session --tree --container --host --exclude-pid --exclude-uid --exclude-comm
--exclude-container --run-as -d --duration --count -o --columns
-j --json -T -U -e --no-heading --buffer --hook -v -V --version -h --help --color"

narrow() { ! help_of "$1" | grep -E '.{81}'; }
no_blank_ends() { ! help_of "$1" | grep -n ' $'; }
has() { options_of "$1" | grep -qwe "$2"; }
quiet_stderr() { [[ -z $(help_of "$1" 2>&1 >/dev/null) ]]; }

for tool in "${tools[@]}"; do
  check narrow "$tool"
  check no_blank_ends "$tool"
  check quiet_stderr "$tool"
  for option in $shared; do check has "$tool" "$option"; done
  check test "$(columns_of "$tool" | wc -l)" -gt 10
done
finish
