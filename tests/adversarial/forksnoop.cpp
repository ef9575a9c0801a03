// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "harness.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <thread>

using namespace harness;

namespace {

Args command(const std::string& tier, Args args) {
  args.insert(args.begin(), {tool_path("forksnoop"), "-j", "--hook", tier});
  return args;
}

}  // namespace

TEST_CASE("ten thousand births, one line each, also where ids are used again") {
  for (const std::string& tier : tiers("forksnoop")) {
    INFO(tier);
    const int count = static_cast<int>(many(10'000));
    Actor actor([&](Json&) {
      for (int i = 0; i < count; i++) {
        const pid_t pid = fork();
        if (pid == 0) _exit(0);
        if (waitpid(pid, nullptr, 0) != pid) throw std::runtime_error("waitpid");
      }
    });
    Tracer tracer(command(tier, {"-p", actor.id()}));
    actor.act();
    tracer.stop();
    std::map<std::pair<long, long>, int> births;
    for (const Json& e : tracer.events()) births[{e["child"], e["child_start"]}]++;
    CHECK(births.size() + tracer.lost() == static_cast<std::size_t>(count));
    for (const auto& [who, n] : births) CHECK(n == 1);
  }
}

TEST_CASE("a thread that forks is its process, also when the first thread is gone") {
  for (const std::string& tier : tiers("forksnoop")) {
    INFO(tier);
    Actor actor([](Json&) {
      prctl(PR_SET_NAME, "\x1b[2Jfirst");
      const pid_t gone = fork();
      if (gone == 0) {
        std::thread([] {
          while (access("/proc/self/cwd", F_OK) == 0) sched_yield();  // until the first is a zombie
          prctl(PR_SET_NAME, "second");
          const pid_t pid = fork();
          if (pid == 0) _exit(0);
          waitpid(pid, nullptr, 0);
          syscall(SYS_exit_group, 0);
        }).detach();
        for (;;) syscall(SYS_exit, 0);
      }
      waitpid(gone, nullptr, 0);
    });
    const pid_t pid = actor.pid();
    Tracer tracer(command(tier, {"-e", "--tree", actor.id()}));
    actor.act();
    tracer.stop();
    const auto events = tracer.events();
    REQUIRE(events.size() == 2);
    CHECK(events[0]["pid"] == pid);
    CHECK(events[1]["pid"] == events[0]["child"]);
    CHECK(events[1]["tid"] != events[1]["pid"]);
    CHECK(events[1]["thread"] == "second");
    CHECK(events[1]["comm"] == "\x1b[2Jfirst");
    CHECK(events[1]["parent"] == events[1]["pid"]);
    CHECK(tracer.out().find('\x1b') == std::string::npos);
  }
}

// The kernel has them made again: nothing has failed.
TEST_CASE("forks that signals interrupt do not fail") {
  for (const std::string& tier : tiers("forksnoop")) {
    INFO(tier);
    const int count = static_cast<int>(many(500));
    Actor actor([&](Json& truth) {
      struct sigaction act {};
      act.sa_handler = [](int) {};
      check(sigaction(SIGALRM, &act, nullptr), "sigaction");
      const itimerval often{{0, 150}, {0, 150}};
      check(setitimer(ITIMER_REAL, &often, nullptr), "setitimer");
      int failed = 0;
      for (int i = 0; i < count; i++) {
        const pid_t pid = fork();
        if (pid == 0) _exit(0);
        if (pid < 0) failed++;
        while (pid > 0 && waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
        }
      }
      truth["failed"] = failed;
    });
    Tracer tracer(command(tier, {"-p", actor.id()}));
    const Json truth = actor.act();
    tracer.stop();
    int failed = 0, born = 0;
    for (const Json& e : tracer.events()) (e["errno"] == 0 ? born : failed)++;
    CHECK(failed == truth["failed"]);
    CHECK(born + failed == count);
  }
}
