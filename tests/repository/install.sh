# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# cmake --install puts everything where it belongs, and nothing more.
source "$(dirname "$0")/common.sh"

prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
DESTDIR='' cmake --install "$build_dir" --prefix "$prefix" >/dev/null

wanted=$({
  for tool in "${tools[@]}"; do
    echo "sbin/$tool"
    echo "share/man/man8/$tool.8"
    echo "share/bash-completion/completions/$tool"
    echo "share/fish/vendor_completions.d/$tool.fish"
  done
  echo share/man/man7/needle.7
  echo share/zsh/vendor-completions/_needle
  for file in ecs.jq needle.lnav.json ocsf.jq rsyslog.conf; do echo "share/needle/$file"; done
  for file in README.md CHANGELOG.md LICENSE LICENSES/GPL-2.0-only.txt LICENSES/BSD-2-Clause.txt; do echo "share/doc/needle/$file"; done
} | sort)
check equal files "$(cd "$prefix" && find . -type f | sed 's/^..//' | sort)" "$wanted"

# It needs no file beside it, and starts from anywhere.
for tool in "${tools[@]}"; do
  mkdir -p "$prefix/elsewhere" && cp "$prefix/sbin/$tool" "$prefix/elsewhere/"
  check equal "$tool" "$(cd / && "$prefix/elsewhere/$tool" --version)" \
    "$tool $(sed -nE 's/^project\(.* VERSION ([0-9.]+).*/\1/p' "$source_dir/CMakeLists.txt")"
done
finish
