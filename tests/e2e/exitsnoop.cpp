// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "harness.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>

using namespace harness;

namespace {

constexpr uid_t kUser = 4242;

// A child that waits for a word, does `end`, which must not return, and is waited for.
struct Child {
  explicit Child(const std::function<void()>& end) {
    check(pipe2(go, O_CLOEXEC), "pipe2");
    pid = fork();
    check(pid, "fork");
    if (pid != 0) return;
    char c;
    close(go[1]);
    if (read(go[0], &c, 1) != 1) _exit(99);
    end();
    _exit(98);
  }
  void finish() {
    check(static_cast<int>(write(go[1], "x", 1)), "write");
    check(wait4(pid, &status, 0, &usage), "wait4");
    close(go[0]), close(go[1]);
  }
  int go[2], status = 0;
  pid_t pid;
  rusage usage{};
};

Args command(Args args) {
  args.insert(args.begin(), tool_path("exitsnoop"));
  return args;
}

std::vector<Json> whole(const Tracer& tracer, pid_t pid) {
  std::vector<Json> all;
  for (const Json& e : tracer.events())
    if (e["pid"] == pid && e["whole"] == true) all.push_back(e);
  return all;
}

[[noreturn]] void exit_thread(int code) {
  for (;;) syscall(SYS_exit, code);
}

void in_thread(const std::function<void()>& f) { std::thread(f).detach(); }

double ms(const timeval& t) { return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) / 1e3; }

}  // namespace

TEST_CASE("ends of every kind, every field: what wait(2) says, once, of a user's process") {
  struct End {
    const char* what;
    std::function<void()> end;
  };
  const auto no_core = [](int signal) {
    prctl(PR_SET_DUMPABLE, 0);
    ::signal(signal, SIG_DFL);
    raise(signal);
  };
  const std::vector<End> ends{
      {"exit_group", [] { _exit(0); }},
      {"a code", [] { _exit(42); }},
      {"exit of the only thread", [] { exit_thread(7); }},
      {"killed by itself", [&] { no_core(SIGKILL); }},
      {"terminated", [&] { no_core(SIGTERM); }},
      {"a realtime signal", [&] { no_core(SIGRTMIN + 2); }},
      {"a fault",
       [] {
         prctl(PR_SET_DUMPABLE, 0);
         signal(SIGSEGV, SIG_DFL);
         *static_cast<volatile int*>(nullptr) = 1;
       }},
      {"another thread ends it",
       [] {
         in_thread([] { _exit(5); });
         for (;;) pause();
       }},
      {"its first thread ends before another",
       [] {
         in_thread([] {
           while (access("/proc/self/cwd", F_OK) == 0) sched_yield();  // until the first is a zombie
           syscall(SYS_exit_group, 6);
         });
         exit_thread(9);
       }},
      {"another thread executes a program",
       [] {
         in_thread([] { execl("/bin/sh", "sh", "-c", "exit 11", nullptr); });
         for (;;) pause();
       }},
  };
  for (const std::string& tier : tiers("exitsnoop")) {
    std::vector<std::unique_ptr<Child>> children;
    for (const End& e : ends)
      children.push_back(std::make_unique<Child>([&] {
        check(prctl(PR_SET_NAME, "an end"), "PR_SET_NAME");
        check(setresgid(kUser, kUser, kUser), "setresgid");
        check(setresuid(kUser, kUser, kUser), "setresuid");
        e.end();
      }));
    Tracer tracer(command({"-j", "-e", "--hook", tier}));
    Tracer failed(command({"-j", "-x", "--hook", tier}));
    for (const auto& c : children) c->finish();
    tracer.stop(), failed.stop();
    for (std::size_t i = 0; i < ends.size(); i++) {
      INFO(tier << ": " << ends[i].what);
      const int status = children[i]->status;
      const auto lines = whole(tracer, children[i]->pid);
      REQUIRE(lines.size() == 1);
      const Json& e = lines[0];
      INFO(e.dump());
      CHECK(e["uid"] == kUser);
      CHECK(e["ppid"] == getpid());
      CHECK(e["event"] == "exit");
      CHECK(e["code"] == (WIFEXITED(status) ? Json(WEXITSTATUS(status)) : Json()));
      CHECK(e["signal"].is_null() == WIFEXITED(status));
      CHECK(e["exit"] == (WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)));
      CHECK(e["core"] == bool(WCOREDUMP(status)));
      CHECK(e["oom"] == false);
      CHECK(e["age"].get<double>() > 0);
      CHECK(e["age"].get<double>() < 600);
      CHECK(whole(failed, children[i]->pid).size() == (status != 0));
      if (WIFEXITED(status)) CHECK(e["killer_pid"].is_null());
    }
    const auto signal_of = [&](std::size_t i) { return whole(tracer, children[i]->pid)[0]["signal"]; };
    CHECK(signal_of(3) == "SIGKILL");
    CHECK(signal_of(4) == "SIGTERM");
    CHECK(signal_of(5) == "SIGRTMIN+2");
    CHECK(signal_of(6) == "SIGSEGV");
    CHECK(whole(tracer, children[3]->pid)[0]["killer_pid"] == children[3]->pid);
    CHECK(whole(tracer, children[3]->pid)[0]["killer"] == "an end");
    CHECK(whole(tracer, children[6]->pid)[0]["killer_pid"].is_null());  // the kernel
    CHECK(whole(tracer, children[9]->pid)[0]["comm"] == "sh");
  }
}

TEST_CASE("what a process used: CPU time, memory, bytes, threads, its program") {
  const auto work = [] {
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; i++)
      threads.emplace_back([] {
        timespec t{};
        do clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        while (t.tv_nsec < 40'000'000);
      });
    for (std::thread& t : threads) t.join();
    constexpr std::size_t size = 32u << 20;
    char* const memory = static_cast<char*>(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memset(memory, 1, size);
    const int in = open("/dev/zero", O_RDONLY), out = open("/dev/null", O_WRONLY);
    if (read(in, memory, 1'000'000) != 1'000'000 || write(out, memory, 300'000) != 300'000) _exit(97);
    _exit(3);
  };
  for (const std::string& tier : tiers("exitsnoop")) {
    INFO(tier);
    Child child(work);
    Tracer tracer(command({"-j", "-e", "--hook", tier, "-p", std::to_string(child.pid)}));
    child.finish();
    tracer.stop();
    const auto lines = whole(tracer, child.pid);
    REQUIRE(lines.size() == 1);
    const Json& e = lines[0];
    INFO(e.dump());
    CHECK(e["code"] == 3);
    CHECK(e["threads"] == 4);
    const double user = e["user_ms"], system = e["system_ms"];
    CHECK(user + system >= 120);
    CHECK(std::abs(user + system - ms(child.usage.ru_utime) - ms(child.usage.ru_stime)) < 25);  // it ends a little later
    CHECK(std::abs(user - ms(child.usage.ru_utime)) < 25);
    CHECK(e["maxrss"] == child.usage.ru_maxrss);
    CHECK(e["maxrss"] >= 32 << 10);
    CHECK(e["read"].get<long>() >= 1'000'000);
    CHECK(e["read"].get<long>() < 1'100'000);
    CHECK(e["written"].get<long>() >= 300'000);
    CHECK(e["written"].get<long>() < 310'000);
    char exe[4096] = {};
    check(static_cast<int>(readlink("/proc/self/exe", exe, sizeof exe - 1)), "readlink");
    if (e["exe"].is_null()) CHECK(tier == "tp");  // before 6.16
    else CHECK(e["exe"] == exe);
  }
}

TEST_CASE("threads, by --threads: each of them with its own code, the process last") {
  for (const std::string& tier : tiers("exitsnoop")) {
    INFO(tier);
    Child child([] {
      for (int i = 1; i <= 3; i++) {
        std::atomic<long> tid = 0;
        std::thread([&, i] {
          tid = syscall(SYS_gettid);
          exit_thread(i);
        }).join();
        while (access(("/proc/self/task/" + std::to_string(tid)).c_str(), F_OK) == 0)
          sched_yield();  // joined, it is not yet gone
      }
      _exit(4);
    });
    Tracer tracer(command({"-j", "--threads", "--hook", tier, "-p", std::to_string(child.pid)}));
    child.finish();
    tracer.stop();
    const auto events = tracer.events();
    REQUIRE(events.size() == 4);
    for (int i = 0; i < 4; i++) {
      CHECK(events[i]["code"] == i + 1);
      CHECK(events[i]["whole"] == (i == 3));
      CHECK((events[i]["tid"] == child.pid) == (i == 3));
      CHECK(events[i]["threads"] == i + 1);
      CHECK(events[i]["pid"] == child.pid);
    }
  }
}

TEST_CASE("who killed it: another process, the one that kills all of a group, or a timer") {
  for (const std::string& tier : tiers("exitsnoop")) {
    INFO(tier);
    Child victim([] {
      for (;;) pause();
    });
    Child timed([] {
      signal(SIGALRM, SIG_DFL);
      const itimerval soon{{}, {0, 1000}};
      setitimer(ITIMER_REAL, &soon, nullptr);
      for (;;) pause();
    });
    Child killer([pid = victim.pid] {
      prctl(PR_SET_NAME, "some\tkiller");
      kill(pid, SIGUSR1);
      _exit(0);
    });
    Tracer tracer(command({"-j", "-o", "pid", "-o", "whole", "-o", "exit", "-o", "killer_pid", "-o", "killer", "--hook", tier}));
    killer.finish();
    victim.finish();
    timed.finish();
    tracer.stop();
    const auto of_victim = whole(tracer, victim.pid), of_timed = whole(tracer, timed.pid);
    REQUIRE(of_victim.size() == 1);
    CHECK(of_victim[0]["signal"] == "SIGUSR1");
    CHECK(of_victim[0]["killer_pid"] == killer.pid);
    CHECK(of_victim[0]["killer"] == "some\tkiller");
    REQUIRE(of_timed.size() == 1);
    CHECK(of_timed[0]["signal"] == "SIGALRM");
    CHECK(of_timed[0]["killer_pid"].is_null());
  }
}
