// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include "tool.h"

namespace needle {

// All that the program of one tool does, from its arguments to the exit status of its process.
int tool_main(const Tool& tool, int argc, char** argv);

}  // namespace needle
