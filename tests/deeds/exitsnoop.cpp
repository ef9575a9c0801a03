// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "deeds.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

using namespace harness;

namespace {

// A process ends once: a thread of it that fails does for an event, and leaves it as it was.
void end_thread() {
  std::atomic<long> tid = 0;
  std::thread([&] {
    tid = syscall(SYS_gettid);
    syscall(SYS_exit, 7);
  }).join();
  while (access(("/proc/self/task/" + std::to_string(tid)).c_str(), F_OK) == 0) sched_yield();  // then it has been told
}

}  // namespace

extern const Deed exitsnoop_deed = {
    .tool = "exitsnoop",
    .options = {"--threads", "-x"},
    .once = [](const std::string&) { end_thread(); },
    .script = [](const std::string&) { return R"(sh -c "exit 7")"; },
    .is_of_script = [](const Json& line, const std::string&) { return line["code"] == 7; },
    .varies = {"age", "thread", "tid", "threads", "user_ms", "system_ms", "maxrss", "read", "written"},
    .other_thread = true,
    .table =
        [](const TempDir&) {
          return Table{.heading = "PID COMM PPID AGE EXIT", .deeds = end_thread, .rows = {{std::to_string(getpid()), "*", "7"}}};
        },
};
