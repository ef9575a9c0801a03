// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Whether some process that the tool can see is in what a filter asks for, by /proc.
#pragma once

#include <linux/types.h>

#include <string>

namespace needle {

bool session_has_processes(__u32 session);
// `kind`: as in /proc/PID/ns; `number`: of the namespace.
bool namespace_has_processes(const std::string& kind, __u32 number);

}  // namespace needle
