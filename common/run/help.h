// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What -h and --help print: texts of 80 columns.
#pragma once

#include "tool.h"

#include <string>
#include <vector>

namespace needle {

// An option, by which the program knows it.
struct HelpOption {
  std::string group, letter, name;  // without dashes; empty: it has none
  std::string value;                // what its argument is called; empty: it takes none
  std::string text;
};

// One screen of 24 lines: usage, five options, three examples, where the rest is.
std::string short_help(const Tool&, const std::vector<HelpOption>&);
// All options, columns and examples.
std::string long_help(const Tool&, const std::vector<HelpOption>&);

}  // namespace needle
