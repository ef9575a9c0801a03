// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include "tool.h"

namespace needle {

// All that the program of one tool does, from its arguments to the exit status of its process. Of several: `tool` is what their
// stream is called, with the columns that it shows, `several` are those to choose from.
int tool_main(const Tool& tool, int argc, char** argv, std::span<const Tool* const> several = {});

}  // namespace needle
