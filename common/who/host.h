// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <string>

namespace needle {

// gethostname(2), as it was when this was called first: of the UTS namespace that the tool runs in. Hostile bytes: a process
// with a user namespace of its own may be the one that chose it.
const std::string& host_name();

}  // namespace needle
