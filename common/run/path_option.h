// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What --path, --exclude-path and --file compare: the strings that their argument stands for.
#pragma once

#include "decide.h"
#include "filter.h"

#include <string>
#include <string_view>
#include <vector>

namespace needle {

struct PathPrefixes {
  std::vector<prefix> paths;  // what a path may begin with: as given, made absolute; and where symbolic links lead
  std::vector<prefix> names;  // other names of these, through symbolic links: only of what failed, whose links are not followed
};

// As seen from the tool's own mount namespace, now. `remarks`: what was not taken as given. Throws BadUsage.
PathPrefixes path_prefixes(std::string_view option, std::string_view given, std::vector<std::string>& remarks);

struct NamedFile {
  std::string path;    // absolute
  PathPrefixes names;  // what an open that fails may have named it: all of a name that is not longer than PREFIX_BYTES
};
NamedFile file_named(std::string_view given, std::vector<std::string>& remarks);

// Makes of `bytes`, where `mask` has ones, what this prefix and those before have in common: eight bytes at most. 0, 0: nothing.
void keep_common(const prefix& prefix, bool first, __u64& bytes, __u64& mask);

// Puts a prefix into a group, if that has room. `left_out`: of --exclude-path.
bool put_into(path_group& group, const prefix& prefix, bool left_out);

}  // namespace needle
