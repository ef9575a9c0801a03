// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Counts instead of lines: how many events there were of which the shown columns say the same.
#pragma once

#include "print/output.h"

namespace needle {

// `lines`: how one of them is shown; `json`: as what. `top`: how many rows, those with the highest counts; 0: all. Counts are
// exact. Memory is bounded: what finds no room, and what `top` leaves out, is one row.
std::unique_ptr<Output> make_summary(std::unique_ptr<Output> lines, bool json, unsigned top);

}  // namespace needle
