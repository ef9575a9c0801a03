// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What somebody may have meant who has misspelt a name.
#pragma once

#include <string_view>
#include <vector>

namespace needle {

// The name that takes the fewest changes of a character, and not too many to be a guess, or one that `text` begins or abbreviates;
// empty: there is none. `names`: borrowed by the answer.
std::string_view nearest(std::string_view text, const std::vector<std::string_view>& names);

}  // namespace needle
