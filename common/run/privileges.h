// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstdint>
#include <string_view>

namespace needle {

// Throws Error, which says what is missing, if this process may not load tracing programs. `tool`: what to run as root.
void check_privileges(std::string_view tool);

// Gives up all capabilities for good, but these (bit n: capability n of linux/capability.h) if it
// has them: from here on the tool reads memory and writes lines.
void drop_privileges(std::uint64_t but);

}  // namespace needle
