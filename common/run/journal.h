// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Events as entries of the systemd journal, with the columns as fields.
#pragma once

#include "print/output.h"

namespace needle {

// By journald's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL), not libsystemd, of which Debian has no static library.
// Sends at once: the buffers of Output stay empty. Throws Error, here and in each call, if there is no journald. `tool`: what
// entries are found by; lives as long.
std::unique_ptr<Output> make_journal(Columns, std::string_view tool);

}  // namespace needle
