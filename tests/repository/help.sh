# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# --help: fits 80 columns, on standard output, and knows the options that all tools share. -h is one screen of it.
source "$(dirname "$0")/common.sh"

shared="-C --containers -p --pid -t --tid --ppid -u --uid --euid -n --comm -x --failed --cgroup --mnt-ns --pid-ns --session --tree --unit --container --pod --namespace --host --exclude-pid --exclude-uid --exclude-comm
--exclude-container --run-as -d --duration --count -o --columns
-j --json -T -U -e --no-heading --buffer --hook -v -V --version -h --help --color --wide"

narrow() { ! help_of "$1" | grep -E '.{81}'; }
no_blank_ends() { ! help_of "$1" | grep -n ' $'; }
has() { options_of "$1" | grep -qwe "$2"; }
quiet_stderr() { [[ -z $(help_of "$1" 2>&1 >/dev/null) ]]; }

short_help() { "$build_dir/bin/$1" -h; }
one_screen() {
  local text
  text=$(short_help "$1"; echo .)
  text=${text%.}
  ! grep -E '.{81}' <<<"$text" && (($(wc -l <<<"${text%$'\n'}") < 24)) ||  # the 24th is the shell's
    { echo "$text"; return 1; }
}
has_the_beginning() {
  local options
  options=$(short_help "$1" | grep -oE -- '^  (-.|    --[a-z0-9-]+)' | tr -d ' ')
  short_help "$1" | grep -qx "Usage: $1 .*" &&
    equal "$1 -h: options" "$(wc -l <<<"$options")" 5 &&
    ! grep -vxFe "$(options_of "$1")" <<<"$options" &&
    equal "$1 -h: examples" "$(short_help "$1" | grep -c "^  $1 ")" 3 &&
    short_help "$1" | tail -n 2 | paste -sd ' ' | grep -q -- ": $1 --help .*: man $1"
}

for tool in "${tools[@]}"; do
  check one_screen "$tool"
  check has_the_beginning "$tool"
  check narrow "$tool"
  check no_blank_ends "$tool"
  check quiet_stderr "$tool"
  for option in $shared; do check has "$tool" "$option"; done
  check test "$(columns_of "$tool" | wc -l)" -gt 10
done
finish
