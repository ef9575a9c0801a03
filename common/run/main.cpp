// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The main() of each tool, which NEEDLE_TOOL names.
#include "run/tool_main.h"
#include "tools.h"

int main(int argc, char** argv) { return needle::tool_main(needle::NEEDLE_TOOL, argc, argv); }
