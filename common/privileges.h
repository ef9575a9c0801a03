// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

namespace needle {

// Throws Error, which says what is missing, if this process may not load tracing programs, or
// the kernel describes no types (BTF).
void check_privileges();

// Gives up all capabilities, for good: from here on the tool reads memory and writes lines.
// But to pass signals on to a command of another user it takes one, if there is such a command.
void drop_privileges(bool but_kill);

}  // namespace needle
