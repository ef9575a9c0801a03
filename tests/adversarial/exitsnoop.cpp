// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "harness.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <thread>

using namespace harness;

TEST_CASE("ten thousand short processes: each has one line, or is told of as lost") {
  for (const std::string& tier : tiers("exitsnoop")) {
    INFO(tier);
    const int count = static_cast<int>(many(10'000));
    Actor actor([&](Json&) {
      prctl(PR_SET_NAME, "brief");
      for (int i = 0; i < count; i++) {
        const pid_t pid = fork();
        if (pid == 0) _exit(i % 200);
        int status;
        if (waitpid(pid, &status, 0) != pid) throw std::runtime_error("waitpid");
      }
    });
    Tracer tracer({tool_path("exitsnoop"), "-j", "--hook", tier, "-n", "brief", "--exclude-pid", actor.id()});
    actor.act();
    tracer.stop();
    std::map<std::pair<long, long>, int> ends;
    std::map<int, int> codes;
    for (const Json& e : tracer.events()) ends[{e["pid"], e["start"]}]++, codes[e["code"]]++;
    CHECK(ends.size() + tracer.lost() == static_cast<std::size_t>(count));
    for (const auto& [who, n] : ends) CHECK(n == 1);
    if (tracer.lost() == 0) CHECK(codes.size() == 200);
  }
}

// Each of them may find that none is left.
TEST_CASE("threads that end at the same time, on several CPUs, end their process once") {
  for (const std::string& tier : tiers("exitsnoop")) {
    INFO(tier);
    const int count = static_cast<int>(many(300));
    Actor actor([&](Json&) {
      prctl(PR_SET_NAME, "together");
      for (int i = 0; i < count; i++) {
        const pid_t pid = fork();
        if (pid == 0) {
          static std::atomic<int> ready = 0;
          const auto end = [] {
            ready++;
            while (ready < 4) sched_yield();
            for (;;) syscall(SYS_exit, 3);
          };
          for (int t = 0; t < 3; t++) std::thread(end).detach();
          end();
        }
        int status;
        if (waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 3) throw std::runtime_error("waitpid");
      }
    });
    Tracer tracer({tool_path("exitsnoop"), "-j", "--hook", tier, "-n", "together", "--exclude-pid", actor.id()});
    actor.act();
    tracer.stop();
    CHECK(tracer.lost() == 0);
    const auto events = tracer.events();
    CHECK(events.size() == static_cast<std::size_t>(count));
    for (const Json& e : events) {
      CHECK(e["code"] == 3);
      CHECK(e["threads"] <= 4);
    }
  }
}

TEST_CASE("a hostile name is escaped in the line of its end, and of whom it killed") {
  Actor victim([](Json&) {
    for (;;) pause();
  });
  Actor killer([&](Json&) {
    prctl(PR_SET_NAME, "\x1b[2J\n");
    kill(victim.pid(), SIGKILL);
  });
  Tracer tracer({tool_path("exitsnoop"), "-o", "pid,killer_pid,killer,exit", "-p", victim.id()});
  killer.act();
  tracer.wait();  // -p: it ends with the victim
  REQUIRE(tracer.lines().size() == 1);
  CHECK(tracer.lines()[0].find("\\x1b[2J\\n") != std::string::npos);
  CHECK(tracer.out().find('\x1b') == std::string::npos);
}
