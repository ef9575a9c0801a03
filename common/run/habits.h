// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Options that people know from bcc's and libbpf-tools' tools: taken where they mean the same here, else answered.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace needle {

// The words of a command line with those of others in our words. `tool`: whose.
std::vector<std::string> in_our_words(std::string_view tool, const std::vector<std::string>& words);

// What to write instead of an option that means something else, or nothing, here; empty: nobody has it.
std::string_view instead_of(std::string_view option);

}  // namespace needle
