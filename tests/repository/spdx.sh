# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Every file that can hold a comment names its licence in one of the first three lines.
source "$(dirname "$0")/common.sh"

licensed() { head -n 3 "$1" | grep -q 'SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause'; }

cd "$source_dir"
while IFS= read -r file; do
  check licensed "$file"
done < <(find . \( -path './.git' -o -path './build*' -o -path ./LICENSES -o -path ./tests/golden \) -prune -o \
           -type f ! -name '*.md' ! -name '*.json' ! -name LICENSE ! -name copyright ! -name .gitignore -print)
finish
