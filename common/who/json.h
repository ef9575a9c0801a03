// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace needle {

// Where a value is: the keys, and the indices of arrays, that lead to it.
using JsonPath = std::vector<std::string>;

// Calls `f` for every string in the object or array that a JSON text is, in order. Anything else is passed over. The text may
// be hostile: what is nested deeply, not UTF-8 or not JSON ends it. Returns whether it was read to
// the end; `f` may have been called before.
bool for_each_json_string(std::string_view text, const std::function<void(const JsonPath&, const std::string&)>& f);

}  // namespace needle
