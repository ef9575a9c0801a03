// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "deeds.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

using namespace harness;

namespace {

// A process that fails to make another is as it was.
void fail_to_fork() { syscall(SYS_clone, CLONE_SIGHAND, nullptr, nullptr, nullptr, nullptr); }

const std::string perl = "syscall(" + std::to_string(SYS_clone) + ", 2048)";  // CLONE_SIGHAND

}  // namespace

extern const Deed forksnoop_deed = {
    .tool = "forksnoop",
    .options = {"-x"},
    .once = [](const std::string&) { fail_to_fork(); },
    .script = [](const std::string&) { return "perl -e \"" + perl + "\""; },
    .is_of_script = [](const Json& line, const std::string&) { return line["comm"] == "perl"; },
    .perl = [](const std::string&) { return perl; },
    .table =
        [](const TempDir&) {
          return Table{.heading = "PID COMM CHILD ERR FLAGS",
                       .deeds =
                           [] {
                             fail_to_fork();
                             syscall(SYS_clone, CLONE_THREAD, nullptr, nullptr, nullptr,
                                     nullptr);  // a thread, which is not asked for
                             syscall(SYS_clone, CLONE_FS | CLONE_NEWNS, nullptr, nullptr, nullptr, nullptr);
                           },
                       .rows = {{"-", "EINVAL", "CLONE_SIGHAND"}, {"-", "EINVAL", "CLONE_FS|CLONE_NEWNS"}}};
        },
};
