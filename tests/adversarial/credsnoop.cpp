// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "harness.h"

#include <grp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <set>
#include <thread>

using namespace harness;

namespace {

Args command(Args args) {
  args.insert(args.begin(), tool_path("credsnoop"));
  return args;
}

}  // namespace

// Each is another user: what was known of one that had its memory, or its number, before is not taken for its own.
TEST_CASE("ten thousand short processes: each change has one line, from what its own process was, or is told of as lost") {
  for (const std::string& tier : tiers("credsnoop")) {
    INFO(tier);
    const int count = static_cast<int>(many(10'000));
    Actor actor([&](Json&) {
      check(setgroups(0, nullptr), "setgroups");
      prctl(PR_SET_NAME, "brief");
      for (int i = 0; i < count; i++) {
        const pid_t pid = fork();
        if (pid == 0) {
          syscall(SYS_setresgid, -1, i + 1, -1);
          syscall(SYS_setresuid, i + 1, i + 1, i + 1);
          _exit(0);
        }
        int status;
        if (waitpid(pid, &status, 0) != pid) throw std::runtime_error("waitpid");
      }
    });
    Tracer tracer(command({"-j", "--hook", tier, "-n", "brief", "--exclude-pid", actor.id()}));
    actor.act();
    tracer.stop();
    std::map<long, int> lines;
    const auto events = tracer.events();
    for (const Json& e : events) {
      const Json& first = e["change"][0];
      CHECK(first["old"] == 0);
      lines[first["new"]]++;
      CHECK(e["via"] == (first["what"] == "egid" ? "setresgid" : "setresuid"));
    }
    CHECK(events.size() + tracer.lost() == 2 * static_cast<std::size_t>(count));
    for (const auto& [user, n] : lines) CHECK(n <= 2);
  }
}

// What was compared on one CPU must not be taken for what there is on another.
TEST_CASE("rights that a thread puts down and takes up again while another moves it from CPU to CPU: no change is missed") {
  for (const std::string& tier : tiers("credsnoop")) {
    INFO(tier);
    const int turns = static_cast<int>(many(2000));
    Actor actor([&](Json&) {
      const pid_t moved = static_cast<pid_t>(syscall(SYS_gettid));
      std::atomic<bool> done = false;
      std::thread mover([&] {  // by another thread: its own calls would be looks at its rights
        for (int i = 0; !done; i++) {
          cpu_set_t set;
          CPU_ZERO(&set);
          CPU_SET(i % 2, &set);
          sched_setaffinity(moved, sizeof set, &set);
        }
      });
      for (int i = 0; i < turns; i++) check(static_cast<int>(syscall(SYS_setresgid, -1, i % 2 ? 0 : 77, -1)), "setresgid");
      done = true;
      mover.join();
    });
    Tracer tracer(command({"-j", "--hook", tier, "-p", actor.id()}));
    actor.act();
    tracer.stop();
    const auto events = tracer.events();
    CHECK(events.size() + tracer.lost() == static_cast<std::size_t>(turns));
    for (std::size_t i = 0; i < events.size(); i++) CHECK(events[i]["change"][0]["new"] == (i % 2 ? 0 : 77));
  }
}

TEST_CASE("threads have rights of their own: each change names its thread, one of another thread is not taken for it") {
  for (const std::string& tier : tiers("credsnoop")) {
    INFO(tier);
    Actor actor([&](Json& truth) {
      std::atomic<int> ready = 0;
      std::vector<std::thread> all;
      std::vector<long> tids(4);
      for (int i = 0; i < 4; i++)
        all.emplace_back([&, i] {
          tids[static_cast<std::size_t>(i)] = syscall(SYS_gettid);
          ready++;
          while (ready < 4) sched_yield();
          for (int j = 0; j < 50; j++) syscall(SYS_setresgid, -1, 1000 * (i + 1) + j, -1), syscall(SYS_getppid);
        });
      for (std::thread& t : all) t.join();
      truth = tids;
    });
    Tracer tracer(command({"-j", "--hook", tier, "-p", actor.id()}));
    const Json tids = actor.act();
    tracer.stop();
    std::map<long, int> of_thread;
    for (const Json& e : tracer.events()) {
      const long now = e["change"][0]["new"];
      const int turn = of_thread[e["tid"].get<long>()]++;
      CHECK(e["via"] == "setresgid");
      CHECK(e["tid"] == tids[static_cast<std::size_t>(now / 1000 - 1)]);
      CHECK(now % 1000 == turn);
      CHECK(e["change"][0]["old"] == (turn ? now - 1 : 0));
    }
    CHECK(of_thread.size() == 4);
    for (const auto& [tid, n] : of_thread) CHECK(n == 50);
  }
}

TEST_CASE("a thread executes a setuid program, its first thread being gone or not: one line, of the process") {
  const TempDir dir;
  check(chmod(dir.path().c_str(), 0755), "chmod");
  const std::string path = dir / "\x1b[2J\n";
  std::filesystem::copy_file(std::filesystem::read_symlink("/proc/self/exe").parent_path() / "helper_argv", path);
  check(chmod(path.c_str(), 04755), "chmod");
  for (const std::string& tier : tiers("credsnoop"))
    for (const bool leader_ends : {false, true}) {
      INFO(tier << ' ' << leader_ends);
      Actor actor([&](Json& truth) {
        check(static_cast<int>(syscall(SYS_setresuid, 4242, 4242, 4242)), "setresuid");
        const pid_t pid = fork();
        if (pid == 0) {
          std::thread([&] {
            if (leader_ends) usleep(20'000);  // whether it is gone by then: in most runs
            execl(path.c_str(), "x", nullptr);
            _exit(1);
          }).detach();
          if (leader_ends)
            for (;;) syscall(SYS_exit, 0);
          for (;;) pause();
        }
        truth["pid"] = pid;
        int status;
        waitpid(pid, &status, 0);
        truth["status"] = status;
      });
      Tracer tracer(command({"-j", "--hook", tier, "--escalation", "--tree", actor.id()}));
      Tracer table(command({"--hook", tier, "--escalation", "-o", "pid,file,comm,change", "--tree", actor.id()}));
      const Json truth = actor.act();
      tracer.stop(), table.stop();
      const auto events = tracer.events();
      REQUIRE(events.size() == 1);
      CHECK(events[0]["pid"] == truth["pid"]);
      CHECK(events[0]["tid"] == truth["pid"]);
      CHECK(events[0]["via"] == "execve");
      CHECK(events[0]["file"] == path);
      CHECK(events[0]["change"][0]["old"] == 4242);
      REQUIRE(table.lines().size() == 1);
      CHECK(table.out().find('\x1b') == std::string::npos);
      CHECK(table.lines()[0].find("\\x1b[2J\\n") != std::string::npos);
    }
}
