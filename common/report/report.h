// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// `needle report`: recorded JSON of the tools as a tree of processes.
#pragma once

namespace needle {

// argv[0]: what it is called. Returns the exit status.
int report_main(int argc, char** argv);

}  // namespace needle
