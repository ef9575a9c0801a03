// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "harness.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <thread>

using namespace harness;

namespace {

Args command(const std::string& tier, Args args) {
  args.insert(args.begin(), {tool_path("killsnoop"), "-j", "--hook", tier});
  return args;
}

}  // namespace

TEST_CASE("ten thousand short processes that are killed: each kill has one line, and the right target") {
  for (const std::string& tier : tiers("killsnoop")) {
    INFO(tier);
    const int count = static_cast<int>(many(10'000));
    Actor actor([&](Json&) {
      for (int i = 0; i < count; i++) {
        const pid_t pid = fork();
        if (pid == 0)
          for (;;) pause();
        check(kill(pid, SIGKILL), "kill");
        waitpid(pid, nullptr, 0);
      }
    });
    Tracer tracer(command(tier, {"-s", "KILL", "-p", actor.id()}));
    actor.act();
    tracer.stop();
    std::map<std::pair<long, long>, int> kills;
    for (const Json& e : tracer.events()) {
      kills[{e["tpid"], e["tstart"]}]++;
      CHECK(e["result"] == "delivered");
    }
    CHECK(kills.size() + tracer.lost() == static_cast<std::size_t>(count));
    for (const auto& [who, n] : kills) CHECK(n == 1);
  }
}

TEST_CASE("threads that kill are their process, be its first one gone, or itself executing") {
  for (const std::string& tier : tiers("killsnoop")) {
    INFO(tier);
    Actor actor([](Json&) {
      prctl(PR_SET_NAME, "leader");
      signal(SIGURG, SIG_DFL);
      const pid_t gone = fork();
      if (gone == 0) {
        std::thread([] {
          while (access("/proc/self/cwd", F_OK) == 0) sched_yield();  // until the first is a zombie
          prctl(PR_SET_NAME, "second");
          kill(getpid(), SIGURG);
          kill(getppid(), SIGURG);
          kill(1 << 30, SIGTERM);
          syscall(SYS_exit_group, 0);
        }).detach();
        for (;;) syscall(SYS_exit, 0);
      }
      waitpid(gone, nullptr, 0);
      const pid_t executes = fork();
      if (executes == 0) {
        std::thread([] { execl("/bin/sh", "sh", "-c", "kill -URG $$", nullptr); }).detach();
        for (;;) pause();
      }
      waitpid(executes, nullptr, 0);
    });
    const pid_t pid = actor.pid();
    Tracer tracer(command(tier, {"-s", "URG,TERM", "-e", "--tree", actor.id()}));
    actor.act();
    tracer.stop();
    const auto events = tracer.events();
    REQUIRE(events.size() == 4);
    CHECK(events[0]["tpid"] == events[0]["pid"]);
    CHECK(events[0]["tid"] != events[0]["pid"]);
    CHECK(events[0]["comm"] == "leader");
    CHECK(events[0]["thread"] == "second");
    CHECK(events[0]["tcomm"] == "leader");
    CHECK(events[0]["texe"].is_string());  // the first thread's memory is gone
    CHECK(events[1]["tpid"] == pid);
    CHECK(events[2]["error"] == "ESRCH");
    CHECK(events[2]["requested"] == 1 << 30);
    CHECK(events[2]["pid"] == events[0]["pid"]);
    CHECK(events[3]["comm"] == "sh");
    CHECK(events[3]["tid"] == events[3]["pid"]);
    CHECK(events[3]["tpid"] == events[3]["pid"]);
  }
}

// While it kills, a timer of the same signal goes off all the time, in whatever it is doing.
TEST_CASE("timers that end during its calls are the kernel's, and its own signals its own") {
  for (const std::string& tier : tiers("killsnoop")) {
    INFO(tier);
    const int count = static_cast<int>(many(3000));
    Actor actor([&](Json&) {
      signal(SIGALRM, [](int) {});
      const itimerval often{{0, 200}, {0, 200}};
      check(setitimer(ITIMER_REAL, &often, nullptr), "setitimer");
      for (int i = 0; i < count; i++) check(kill(getpid(), SIGALRM), "kill");
      const itimerval never{};
      check(setitimer(ITIMER_REAL, &never, nullptr), "setitimer");
    });
    const pid_t pid = actor.pid();
    Tracer tracer(command(tier, {"-s", "ALRM", "--target", actor.id()}));
    actor.act();
    tracer.wait();
    std::size_t own = 0, timers = 0;
    for (const Json& e : tracer.events()) {
      const bool by_call = e["code"] == "SI_USER";
      CHECK((by_call ? e["pid"] == pid && e["via"] == "kill" : e["pid"].is_null() && e["comm"] == "kernel"));
      (by_call ? own : timers)++;
    }
    CHECK(own + tracer.lost() >= static_cast<std::size_t>(count));
    CHECK(own <= static_cast<std::size_t>(count));
    CHECK(timers > 0);
  }
}

TEST_CASE("ids are those of the initial namespace, also where a process sees others") {
  for (const std::string& tier : tiers("killsnoop")) {
    INFO(tier);
    Actor actor([](Json&) {
      check(unshare(CLONE_NEWPID), "unshare");
      const pid_t init = fork();
      if (init == 0) {
        signal(SIGURG, SIG_DFL);
        setpgid(0, 0);
        const pid_t child = fork();
        if (child == 0) {
          if (setresuid(4242, 4242, 4242) != 0) _exit(1);
          kill(1, SIGTERM);
          kill(-1, SIGHUP);   // there is nobody else of that user
          kill(77, SIGTERM);  // nobody
          kill(-1 - getppid(), SIGTERM);
          _exit(0);
        }
        waitpid(child, nullptr, 0);
        _exit(0);
      }
      waitpid(init, nullptr, 0);
    });
    Tracer tracer(command(tier, {"-e", "-s", "TERM,HUP", "--tree", actor.id()}));
    actor.act();
    tracer.stop();
    std::vector<Json> events;
    for (const Json& e : tracer.events())
      if (!e["pid"].is_null() && e["uid"] == 4242) events.push_back(e);
    REQUIRE(events.size() == 4);
    CHECK(events[0]["error"] == "EPERM");
    CHECK(events[0]["tpid"] == events[0]["ppid"]);
    CHECK(events[0]["requested"] == 1);
    CHECK(events[0]["nspid"] == 2);
    CHECK(events[1]["tpid"] == -1);
    CHECK(events[2]["error"] == "ESRCH");
    CHECK(events[2]["tpid"].is_null());
    CHECK(events[2]["requested"] == 77);
    CHECK(events[3]["requested"] == -2);
    CHECK(events[3]["tpid"] == -events[3]["pid"].get<long>());  // there is that number, but no group
  }
}

TEST_CASE("hostile names, of who kills and who is killed, are escaped") {
  Actor victim([](Json&) {
    prctl(PR_SET_NAME, "\x1b[31mred\n");
    for (;;) pause();
  });
  victim.start();
  Actor killer([&](Json&) {
    prctl(PR_SET_NAME, "\x1b[2J\n");
    while (kill(victim.pid(), SIGURG) == 0) {
      char name[16] = {};
      const int fd = static_cast<int>(syscall(SYS_pidfd_open, victim.pid(), 0));
      close(fd);
      FILE* f = fopen(("/proc/" + victim.id() + "/comm").c_str(), "r");
      if (f && fgets(name, sizeof name, f) && name[0] == '\x1b') {
        fclose(f);
        break;
      }
      if (f) fclose(f);
    }
    kill(victim.pid(), SIGKILL);
  });
  Tracer tracer({tool_path("killsnoop"), "-s", "KILL", "--target", victim.id()});
  killer.act();
  tracer.wait();
  REQUIRE(tracer.lines().size() == 1);
  CHECK(tracer.lines()[0].find("\\x1b[2J\\n") != std::string::npos);
  CHECK(tracer.lines()[0].find("\\x1b[31mred\\n") != std::string::npos);
  CHECK(tracer.out().find('\x1b') == std::string::npos);
}
