# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The table of characters that are not printed as they are is what common/print/unicode makes of the Unicode data here, of any version
# that knows no other such characters.
source "$(dirname "$0")/common.sh"

table() { grep -v '^// Unicode '; }
check equal "common/print/unicode.h, against common/print/unicode" "$(table <"$source_dir/common/print/unicode.h")" "$("$source_dir/common/print/unicode" | table)"
finish
