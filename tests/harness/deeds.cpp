// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "deeds.h"

#include <stdexcept>

namespace harness {

const Deed& deed_of(const std::string& tool) {
  for (const Deed* deed : all_deeds())
    if (deed->tool == tool) return *deed;
  throw std::runtime_error("tests/deeds has nothing of " + tool);
}

std::vector<std::string> all_tools() {
  std::vector<std::string> all;
  for (const Deed* deed : all_deeds()) all.push_back(deed->tool);
  return all;
}

}  // namespace harness
