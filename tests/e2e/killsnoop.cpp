// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "harness.h"

#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <thread>

using namespace harness;

namespace {

constexpr uid_t kUser = 4242;

void become_user() {
  check(setresgid(kUser, kUser, kUser), "setresgid");
  check(setresuid(kUser, kUser, kUser), "setresuid");
}

void block_all() {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, nullptr);
}

// A process of the actor's that waits for its end, with one more thread, and all signals blocked.
struct Victim {
  Victim() {
    int ids[2];
    check(pipe(ids), "pipe");
    pid = static_cast<pid_t>(check(fork(), "fork"));
    if (pid == 0) {
      block_all();
      prctl(PR_SET_NAME, "the victim");
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      std::thread([&] {
        const auto tid = static_cast<pid_t>(syscall(SYS_gettid));
        prctl(PR_SET_NAME, "its thread");
        if (write(ids[1], &tid, sizeof tid) < 0) _exit(1);
        for (;;) pause();
      }).join();
    }
    if (read(ids[0], &thread, sizeof thread) != sizeof thread) throw std::runtime_error("no thread");
    close(ids[0]), close(ids[1]);
  }
  pid_t pid = 0, thread = 0;
};

// What a line is to say; of what a test does not say the usual.
struct Line {
  int sig;
  std::string via;
  Json tpid, ttid;
  std::string result = "delivered", code = "SI_USER";
  std::string tcomm = "the victim";
  Json json() const {
    const bool refused = result[0] == 'E';
    return {{"signo", sig},     {"via", via},   {"tpid", tpid},
            {"ttid", ttid},     {"code", code}, {"tcomm", tcomm.empty() ? Json() : Json(tcomm)},
            {"result", result}, {"uid", kUser}, {"errno", refused ? Json(errno_of(result)) : Json(0)},
            {"src", src()}};
  }
  static int errno_of(const std::string& name) {
    for (const int e : {EPERM, ESRCH, EINVAL, EBADF, EAGAIN})
      if (name == strerrorname_np(e)) return e;
    return -1;
  }
  std::string src() const {
    if (result == "possible") return tcomm.empty() ? "user" : "fd";
    if (result[0] != 'E' || result == "EAGAIN") return "kernel";
    return tcomm.empty() ? "user" : "fd";
  }
};

siginfo_t queued(int sig, int code = SI_QUEUE) {
  siginfo_t info{};
  info.si_signo = sig;
  info.si_code = code;
  info.si_pid = 4711;  // whatever it likes
  return info;
}

std::string comm_of(pid_t pid) {
  std::string name;
  std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/comm"), name);
  return name;
}

// The events of one process, or of nobody for one: the keys that a Line has.
Json lines_of(const Tracer& tracer, pid_t pid) {
  Json all = Json::array();
  for (const Json& e : tracer.events()) {
    if (e["pid"] != pid) continue;
    Json line;
    for (const char* key : {"signo", "via", "tpid", "ttid", "code", "tcomm", "result", "uid", "errno", "src"}) line[key] = e[key];
    all.push_back(line);
  }
  return all;
}

Json nobodys(const Tracer& tracer, pid_t target, int sig) {
  Json all = Json::array();
  for (const Json& e : tracer.events())
    if (e["pid"].is_null() && e["tpid"] == target && e["signo"] == sig) all.push_back(e);
  return all;
}

Args command(const std::string& tier, Args args) {
  args.insert(args.begin(), {tool_path("killsnoop"), "-j", "--hook", tier});
  return args;
}

}  // namespace

TEST_CASE("each call of a user's process, in every field, delivered or not") {
  for (const std::string& tier : tiers("killsnoop")) {
    INFO(tier);
    const std::string init = comm_of(1);
    Actor actor([&](Json& truth) {
      Json lines = Json::array();
      const auto told = [&](const Line& line) { lines.push_back(line.json()); };
      become_user();
      prctl(PR_SET_NAME, "some killer");
      signal(SIGURG, SIG_DFL), signal(SIGPIPE, SIG_IGN);
      const pid_t self = getpid();
      Victim v;
      setpgid(v.pid, v.pid);
      const int rt = SIGRTMIN + 1;
      check(kill(v.pid, SIGUSR1), "kill");
      told({SIGUSR1, "kill", v.pid, {}});
      check(kill(v.pid, SIGUSR1), "kill");
      told({SIGUSR1, "kill", v.pid, {}, "pending"});
      check(kill(v.thread, SIGUSR2), "kill a thread's id");
      told({SIGUSR2, "kill", v.pid, {}});
      check(syscall(SYS_tkill, v.pid, SIGTERM), "tkill");
      told({SIGTERM, "tkill", v.pid, v.pid, "delivered", "SI_TKILL"});
      check(syscall(SYS_tgkill, v.pid, v.thread, SIGTERM), "tgkill");
      told({SIGTERM, "tgkill", v.pid, v.thread, "delivered", "SI_TKILL"});
      check(sigqueue(v.pid, rt, {}), "sigqueue");
      told({rt, "rt_sigqueueinfo", v.pid, {}, "delivered", "SI_QUEUE"});
      siginfo_t info = queued(rt);
      check(syscall(SYS_rt_tgsigqueueinfo, v.pid, v.thread, rt, &info), "rt_tgsigqueueinfo");
      told({rt, "rt_tgsigqueueinfo", v.pid, v.thread, "delivered", "SI_QUEUE"});
      const int pidfd = static_cast<int>(check(syscall(SYS_pidfd_open, v.pid, 0), "pidfd_open"));
      check(syscall(SYS_pidfd_send_signal, pidfd, SIGHUP, nullptr, 0), "pidfd_send_signal");
      told({SIGHUP, "pidfd_send_signal", v.pid, {}});
      check(kill(-v.pid, SIGALRM), "kill a group");
      told({SIGALRM, "kill", v.pid, {}});
      check(kill(self, SIGURG), "kill itself");
      told({SIGURG, "kill", self, {}, "ignored", "SI_USER", "some killer"});

      // Whatever a process says of a signal for itself, it is the one that sends it.
      info = queued(SIGURG, SI_KERNEL);
      check(syscall(SYS_rt_sigqueueinfo, self, SIGURG, &info), "rt_sigqueueinfo");
      told({SIGURG, "rt_sigqueueinfo", self, {}, "ignored", "SI_KERNEL", "some killer"});
      int ends[2];
      check(pipe(ends), "pipe");
      close(ends[0]);
      if (write(ends[1], "x", 1) != -1) throw std::runtime_error("write");
      told({SIGPIPE, "kernel", self, self, "ignored", "SI_USER", "some killer"});

      kill(1, SIGTERM);
      told({SIGTERM, "kill", 1, {}, "EPERM", "SI_USER", init});
      syscall(SYS_tgkill, 1, 1, SIGTERM);
      told({SIGTERM, "tgkill", 1, 1, "EPERM", "SI_USER", init});
      const int first = static_cast<int>(check(syscall(SYS_pidfd_open, 1, 0), "pidfd_open"));
      syscall(SYS_pidfd_send_signal, first, SIGKILL, nullptr, 0);
      told({SIGKILL, "pidfd_send_signal", 1, {}, "EPERM", "SI_USER", init});
      syscall(SYS_pidfd_send_signal, -1, SIGKILL, nullptr, 0);
      told({SIGKILL, "pidfd_send_signal", {}, {}, "EBADF", "SI_USER", ""});
      kill(v.pid, 65);
      told({65, "kill", v.pid, {}, "EINVAL"});

      const pid_t dead = fork();
      if (dead == 0) prctl(PR_SET_NAME, "a zombie"), _exit(0);
      siginfo_t end;
      waitid(P_PID, static_cast<id_t>(dead), &end, WEXITED | WNOWAIT);
      check(kill(dead, SIGTERM), "kill a zombie");
      told({SIGTERM, "kill", dead, {}, "dead", "SI_USER", "a zombie"});
      waitpid(dead, nullptr, 0);
      kill(dead, SIGTERM);
      told({SIGTERM, "kill", dead, {}, "ESRCH", "SI_USER", ""});
      kill(-dead, SIGTERM);
      told({SIGTERM, "kill", -dead, {}, "ESRCH", "SI_USER", ""});

      if (have_int80()) {
        int80(37, v.pid, SIGINT);
        told({SIGINT, "compat:kill", v.pid, {}});
        int80(238, v.thread, SIGINT);
        told({SIGINT, "compat:tkill", v.pid, v.thread, "delivered", "SI_TKILL"});
        int80(270, v.pid, v.thread, SIGQUIT);
        told({SIGQUIT, "compat:tgkill", v.pid, v.thread, "delivered", "SI_TKILL"});
        int80(37, 1, SIGINT);
        told({SIGINT, "compat:kill", 1, {}, "EPERM", "SI_USER", init});
        int80(270, 1, 1, SIGINT);
        told({SIGINT, "compat:tgkill", 1, 1, "EPERM", "SI_USER", init});
        const int queued_32[32] = {SIGINT, 0, SI_QUEUE};
        int80(178, dead, SIGINT, reinterpret_cast<long>(low(queued_32, sizeof queued_32)));
        told({SIGINT, "compat:rt_sigqueueinfo", dead, {}, "ESRCH", "SI_USER", ""});
        int80(424, first, SIGINT);
        told({SIGINT, "compat:pidfd_send_signal", 1, {}, "EPERM", "SI_USER", init});
      }
      const rlimit nothing{0, 0};
      check(prlimit(v.pid, RLIMIT_SIGPENDING, &nothing, nullptr), "prlimit");
      info = queued(rt + 1);
      if (syscall(SYS_rt_sigqueueinfo, v.pid, rt + 1, &info) != -1 || errno != EAGAIN) throw std::runtime_error("no EAGAIN");
      told({rt + 1, "rt_sigqueueinfo", v.pid, {}, "EAGAIN", "SI_QUEUE"});
      check(kill(v.pid, SIGKILL), "kill");
      told({SIGKILL, "kill", v.pid, {}});
      waitpid(v.pid, nullptr, 0);  // or its PR_SET_PDEATHSIG is one more
      truth["lines"] = lines;
    });
    const pid_t pid = actor.pid();
    Tracer tracer(command(tier, {"-e", "-p", actor.id()}));
    Tracer failed(command(tier, {"-x", "-p", actor.id()}));
    const Json who_is = who(actor.pid());
    const Json truth = actor.act();
    tracer.stop(), failed.stop();
    Json expected = truth["lines"], refused = Json::array();
    CHECK(lines_of(tracer, pid) == expected);
    for (const Json& line : expected)
      if (line["errno"] != 0) refused.push_back(line);
    CHECK(lines_of(failed, pid) == refused);
    for (const Json& e : tracer.events()) {
      if (e["pid"] != pid) continue;
      for (const char* key : {"ppid", "cgroup", "mnt_ns", "pid_ns"}) CHECK(e[key] == who_is[key]);
      CHECK(e["event"] == "kill");
      CHECK(e["comm"] == "some killer");
      if (e["tcomm"] == "the victim") {
        CHECK(e["tuid"] == kUser);
        CHECK(e["texe"] == e["exe"]);
        CHECK(e["tstart"].get<long long>() >= e["start"].get<long long>());
        CHECK(e["tstart"].get<long long>() < e["start"].get<long long>() + 600'000'000);
      }
      if (e["tpid"] == 1) CHECK(e["tuid"] == 0);
      CHECK(e["requested"].is_null() ==
            (e["errno"] == 0 || e["via"].get<std::string>().ends_with("pidfd_send_signal") || e["error"] == "EAGAIN"));
    }
  }
}

TEST_CASE("signal 0 asks only, and shows only if asked for: of a process, a group, all") {
  for (const std::string& tier : tiers("killsnoop")) {
    INFO(tier);
    Actor actor([&](Json& truth) {
      Json lines = Json::array();
      const auto told = [&](const Line& line) { lines.push_back(line.json()); };
      check(setpgid(0, 0), "setpgid");
      become_user();
      Victim v;
      check(kill(v.pid, 0), "kill 0");
      told({0, "kill", v.pid, {}, "possible"});
      check(kill(0, 0), "kill the own group with 0");
      told({0, "kill", -getpid(), {}, "possible", "SI_USER", ""});
      check(kill(-1, 0), "kill all with 0");
      told({0, "kill", -1, {}, "possible", "SI_USER", ""});
      kill(1, 0);
      told({0, "kill", 1, {}, "EPERM", "SI_USER", comm_of(1)});
      kill(v.pid, SIGKILL);
      waitpid(v.pid, nullptr, 0);
      truth["lines"] = lines;
    });
    const pid_t pid = actor.pid();
    Tracer asked(command(tier, {"-s", "0", "-p", actor.id()})), usual(command(tier, {"-p", actor.id()}));
    const Json truth = actor.act();
    asked.stop(), usual.stop();
    CHECK(lines_of(asked, pid) == truth["lines"]);
    for (const Json& e : usual.events()) CHECK(e["signo"] != 0);
    CHECK(lines_of(usual, pid).size() == 1);
  }
}

TEST_CASE("what nobody has sent is the kernel's, whoever runs then: timers, faults, children, a terminal, a tracer's stop") {
  for (const std::string& tier : tiers("killsnoop")) {
    INFO(tier);
    Tracer tracer(command(tier, {"-s", "ALRM,SEGV,CHLD,INT,STOP,VTALRM"}));
    // A timer of a process that sleeps: another runs when it ends.
    const auto child = [](const std::function<void()>& does) {
      const pid_t pid = fork();
      if (pid == 0) {
        become_user();
        prctl(PR_SET_DUMPABLE, 0);
        does();
        for (;;) pause();
      }
      int status;
      waitpid(pid, &status, 0);
      return pid;
    };
    const pid_t timed = child([] {
      const itimerval soon{{}, {0, 1000}};
      setitimer(ITIMER_REAL, &soon, nullptr);
    });
    const pid_t posix = child([] {
      timer_t timer;
      sigevent event{};
      event.sigev_notify = SIGEV_SIGNAL;
      event.sigev_signo = SIGVTALRM;
      const itimerspec soon{{}, {0, 1'000'000}};
      if (timer_create(CLOCK_MONOTONIC, &event, &timer) == 0) timer_settime(timer, 0, &soon, nullptr);
    });
    const pid_t faulty = child([] {
      signal(SIGSEGV, SIG_DFL);
      *static_cast<volatile int*>(nullptr) = 1;
    });
    int terminal;
    const pid_t typed = forkpty(&terminal, nullptr, nullptr, nullptr);
    if (typed == 0) {
      signal(SIGINT, SIG_DFL);
      if (write(1, "x", 1) != 1) _exit(1);
      for (;;) pause();
    }
    char c;
    REQUIRE(read(terminal, &c, 1) == 1);
    REQUIRE(write(terminal, "\003", 1) == 1);
    waitpid(typed, nullptr, 0);
    close(terminal);
    const pid_t traced = fork();
    if (traced == 0)
      for (;;) pause();
    REQUIRE(ptrace(PTRACE_ATTACH, traced, nullptr, nullptr) == 0);
    waitpid(traced, nullptr, 0);
    kill(traced, SIGKILL);
    waitpid(traced, nullptr, 0);
    tracer.stop();

    const auto one = [&](pid_t target, int sig, const char* code) {
      const Json all = nobodys(tracer, target, sig);
      REQUIRE(all.size() == 1);
      CHECK(all[0]["comm"] == "kernel");
      CHECK(all[0]["code"] == code);
      CHECK(all[0]["via"] == "kernel");
      CHECK(all[0]["tid"].is_null());
      CHECK(all[0]["uid"].is_null());
      return all[0];
    };
    CHECK(one(timed, SIGALRM, "SI_KERNEL")["tuid"] == kUser);
    one(posix, SIGVTALRM, "SI_TIMER");
    CHECK(one(faulty, SIGSEGV, "SEGV_MAPERR")["ttid"] == faulty);
    one(typed, SIGINT, "SI_KERNEL");
    bool told_of_child = false, attached = false;
    for (const Json& e : nobodys(tracer, getpid(), SIGCHLD)) told_of_child |= e["code"] == "CLD_KILLED";
    CHECK(told_of_child);
    for (const Json& e : tracer.events())
      if (e["tpid"] == traced && e["sig"] == "SIGSTOP") {
        attached = true;
        CHECK(e["pid"] == getpid());
        CHECK(e["via"] == "ptrace");
        CHECK(e["ttid"] == traced);
      }
    CHECK(attached);
  }
}

TEST_CASE("filters: signals by name and number, whom they are for, and with that its end") {
  for (const std::string& tier : tiers("killsnoop")) {
    INFO(tier);
    const auto sleeper = [] {
      const pid_t pid = fork();
      if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) pause();
      }
      return pid;
    };
    const pid_t one = sleeper(), other = sleeper();
    Tracer named(command(tier, {"-s", "usr1,SIGUSR2", "--signal", "RTMIN+3,34", "-p", std::to_string(getpid())}));
    Tracer target(command(tier, {"--target", std::to_string(one), "-s", "URG,KILL"}));
    Tracer both(command(tier, {"--target", std::to_string(one), "-n", "nobody"}));
    Tracer sent(command(tier, {"--no-kernel", "-s", "KILL,CHLD"}));
    for (const int sig : {SIGURG, SIGCONT}) kill(one, sig), kill(other, sig);
    signal(SIGUSR1, SIG_IGN), signal(SIGUSR2, SIG_IGN), signal(SIGRTMIN + 3, SIG_IGN), signal(SIGRTMIN, SIG_IGN);
    for (const int sig : {SIGUSR1, SIGUSR2, SIGRTMIN + 3, SIGRTMIN, SIGURG}) kill(getpid(), sig);
    kill(one, SIGKILL);
    waitpid(one, nullptr, 0);
    kill(other, SIGKILL);
    waitpid(other, nullptr, 0);
    named.stop(), both.stop(), sent.stop();
    bool sent_kill = false;
    for (const Json& e : sent.events()) {
      CHECK_FALSE(e["pid"].is_null());
      sent_kill |= e["tpid"] == one;
    }
    CHECK(sent_kill);
    std::vector<int> signals;
    for (const Json& e : named.events()) signals.push_back(e["signo"]);
    CHECK(signals == std::vector<int>{SIGUSR1, SIGUSR2, SIGRTMIN + 3, SIGRTMIN});
    CHECK(both.events().empty());
    target.wait();  // it ends with the process
    CHECK(target.status() == 0);
    signals.clear();
    for (const Json& e : target.events()) {
      CHECK(e["tpid"] == one);
      signals.push_back(e["signo"]);
    }
    CHECK(signals == std::vector<int>{SIGURG, SIGKILL});
  }
}
