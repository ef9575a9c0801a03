// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What --path compares: the strings that its argument stands for.
#pragma once

#include "error.h"
#include "filter.h"

#include <string>
#include <string_view>
#include <vector>

namespace needle {

struct PathPrefixes {
  std::vector<std::string> paths;  // what a path may begin with: as given, made absolute; and where symbolic links lead
  std::vector<std::string> names;  // other names of these, through symbolic links: only of what failed, whose links are not followed
};

// As seen from the tool's own mount namespace, when it is called first. What was not taken as given is told on standard error, once.
const PathPrefixes& path_prefixes(std::string_view given);

// A key of the tries behind --path. Throws BadUsage.
prefix prefix_of(std::string_view path);

// Makes of `bytes`, where `mask` has ones, what this prefix and those before have in common: eight bytes at most. 0, 0: nothing.
void keep_common(const prefix& prefix, bool first, __u64& bytes, __u64& mask);

}  // namespace needle
