// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "deeds.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

using namespace harness;

extern const Deed credsnoop_deed = {
    .tool = "credsnoop",
    .options = {"-x"},
    // More groups than there may be: refused to everybody.
    .once = [](const std::string&) { syscall(SYS_setgroups, 1 << 20, nullptr); },
    .script = [](const std::string&) { return "setpriv --ambient-caps +chown true"; },
    .is_of_script = [](const Json& line, const std::string&) { return line["via"] == "prctl" && line["errno"] == EPERM; },
    .perl = [](const std::string&) { return "syscall(" + std::to_string(SYS_setgroups) + ", 1 << 20, 0)"; },
    .table =
        [](const TempDir&) {
          return Table{.heading = "PID COMM VIA ERR CHANGE",
                       .deeds = [] { syscall(SYS_setresuid, -1, 0, -1); },
                       .rows = {{"setresuid", "EPERM", "euid", std::to_string(kTableUser) + ">0"}}};
        },
};
