// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "net.h"

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

using namespace harness;

namespace {

constexpr uid_t kUser = 4242;

Args command(const std::string& tier, Args args) {
  args.insert(args.begin(), {tool_path("forksnoop"), "-j", "--hook", tier});
  return args;
}

long raw_clone(unsigned long flags) { return syscall(SYS_clone, flags, nullptr, nullptr, nullptr, nullptr); }
long raw_clone3(clone_args args) { return syscall(SYS_clone3, &args, sizeof args); }

// In the child: its end. In the parent: waits for it.
pid_t born(long pid, const char* what) {
  check(pid, what);
  if (pid == 0) _exit(0);
  waitpid(static_cast<pid_t>(pid), nullptr, __WALL);
  return static_cast<pid_t>(pid);
}

// What a line is to say.
struct Line {
  std::string via;
  Json child, flags;
  int err = 0;
  Json nspid = {};  // if it is not child
  std::string kind = "process";
  Json parent = {};  // if it is not the one that made it
  Json exit_signal = "SIGCHLD";
  std::string src = "kernel";
  Json namespaces = {};
};

Json as_json(const Line& l, pid_t self) {
  const bool fails = l.err != 0;
  return {{"via", l.via},
          {"child", l.child},
          {"flags", l.flags},
          {"errno", l.err},
          {"child_nspid", fails               ? Json()
                          : l.nspid.is_null() ? l.child
                                              : l.nspid},
          {"kind", l.kind},
          {"parent", fails                ? Json()
                     : l.parent.is_null() ? Json(self)
                                          : l.parent},
          {"exit_signal", fails ? Json() : l.exit_signal},
          {"src", l.src},
          {"namespaces", l.namespaces},
          {"pid", self}};
}

Json lines_of(const std::vector<Json>& events) {
  Json all = Json::array();
  for (const Json& e : events) {
    Json line;
    for (const char* key :
         {"via", "child", "flags", "errno", "child_nspid", "kind", "parent", "exit_signal", "src", "namespaces", "pid"})
      line[key] = e[key];
    all.push_back(line);
  }
  return all;
}

}  // namespace

TEST_CASE("births by each call, and those that fail, of a user's process: every field") {
  for (const std::string& tier : tiers("forksnoop")) {
    INFO(tier);
    const bool compat = have_int80();  // to find out takes a fork
    Actor actor([&](Json& truth) {
      Json lines = Json::array();
      const pid_t self = getpid();
      const auto told = [&](const Line& line) { lines.push_back(as_json(line, self)); };
      prctl(PR_SET_NAME, "a parent");
      signal(SIGUSR1, SIG_IGN);
      check(setresgid(kUser, kUser, kUser), "setresgid");
      check(setresuid(kUser, kUser, kUser), "setresuid");
      const std::string libc = "CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID";
      told({"clone", born(fork(), "fork"), libc});
#ifdef SYS_fork
      told({"fork", born(syscall(SYS_fork), "fork"), {}});
#endif
      const pid_t quick = vfork();
      if (quick == 0) _exit(0);
      waitpid(quick, nullptr, 0);
#ifdef SYS_vfork
      told({"vfork", quick, "CLONE_VM|CLONE_VFORK"});
#endif
      told({"clone",
            born(raw_clone(CLONE_FILES | CLONE_FS | SIGUSR1), "clone"),
            "CLONE_FS|CLONE_FILES",
            0,
            {},
            "process",
            {},
            "SIGUSR1"});
      told({"clone", born(raw_clone(0), "clone"), {}, 0, {}, "process", {}, {}});
      const long adopted = raw_clone(CLONE_PARENT | SIGCHLD);
      if (adopted == 0) _exit(0);
      told({"clone", check(adopted, "CLONE_PARENT"), "CLONE_PARENT", 0, {}, "process", getppid()});
      clone_args args{};
      args.flags = CLONE_CLEAR_SIGHAND;
      args.exit_signal = SIGCHLD;
      told({"clone3", born(raw_clone3(args), "clone3"), "CLONE_CLEAR_SIGHAND"});

      raw_clone(CLONE_SIGHAND | SIGCHLD);
      told({"clone", {}, "CLONE_SIGHAND", EINVAL});
      args.flags = CLONE_SIGHAND;
      raw_clone3(args);
      told({"clone3", {}, "CLONE_SIGHAND", EINVAL, {}, "process", {}, {}, "user"});
      syscall(SYS_clone3, nullptr, sizeof args);
      told({"clone3", {}, {}, EFAULT, {}, "process", {}, {}, "user"});
      if (compat) {
        told({"compat:fork", born(int80(2), "fork"), {}});
        told({"compat:clone", born(int80(120, CLONE_FS | SIGCHLD), "clone"), "CLONE_FS"});
        int80(120, CLONE_SIGHAND);
        told({"compat:clone", {}, "CLONE_SIGHAND", EINVAL});
        int80(435, reinterpret_cast<long>(low(&args, sizeof args)), sizeof args);
        told({"compat:clone3", {}, "CLONE_SIGHAND", EINVAL, {}, "process", {}, {}, "user"});
      }
      const rlimit none{0, 0};
      check(setrlimit(RLIMIT_NPROC, &none), "RLIMIT_NPROC");
      fork();
      told({"clone", {}, libc, EAGAIN});
      truth["lines"] = lines;
    });
    const pid_t pid = actor.pid();
    Tracer tracer(command(tier, {"-e", "-p", actor.id()})), failed(command(tier, {"-x", "-p", actor.id()}));
    const Json truth = actor.act();
    tracer.stop(), failed.stop();
    Json refused = Json::array();
    for (const Json& line : truth["lines"])
      if (line["errno"] != 0) refused.push_back(line);
    CHECK(lines_of(tracer.events()) == truth["lines"]);
    CHECK(lines_of(failed.events()) == refused);
    for (const Json& e : tracer.events()) {
      CHECK(e["event"] == "fork");
      CHECK(e["comm"] == "a parent");
      CHECK(e["uid"] == kUser);
      CHECK(e["ppid"] == getpid());
      CHECK(e["tid"] == pid);
      if (e["errno"] == 0) CHECK(e["child_start"].get<long long>() >= e["start"].get<long long>());
    }
    while (waitpid(-1, nullptr, WNOHANG) > 0) {  // whom the actor has left to its own parent
    }
  }
}

TEST_CASE("new namespaces, and the id in them") {
  for (const std::string& tier : tiers("forksnoop")) {
    INFO(tier);
    Actor actor([&](Json& truth) {
      Json lines = Json::array();
      const auto told = [&](const Line& line) { lines.push_back(as_json(line, getpid())); };
      Line line{"clone", born(raw_clone(CLONE_NEWPID | CLONE_NEWUTS | SIGCHLD), "clone"), "CLONE_NEWUTS|CLONE_NEWPID", 0, 1};
      line.namespaces = "pid,uts";
      told(line);
      clone_args args{};
      args.flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP;
      args.exit_signal = SIGCHLD;
      line = {"clone3", born(raw_clone3(args), "clone3"), "CLONE_NEWNS|CLONE_NEWCGROUP|CLONE_NEWIPC|CLONE_NEWNET"};
      line.namespaces = "mnt,net,ipc,cgroup";
      told(line);
      check(unshare(CLONE_NEWPID), "unshare");
      told({"clone", born(raw_clone(SIGCHLD), "clone"), {}, 0, 1});  // it was asked for before
      truth["lines"] = lines;
    });
    Tracer tracer(command(tier, {"-p", actor.id()}));
    const Json truth = actor.act();
    tracer.stop();
    CHECK(lines_of(tracer.events()) == truth["lines"]);
  }
}

TEST_CASE("threads by --threads, workers by --workers, of io_uring too, and else neither") {
  for (const std::string& tier : tiers("forksnoop")) {
    INFO(tier);
    const bool uring = have_io_uring();
    Actor actor([&](Json& truth) {
      pid_t tid = 0;
      std::thread([&] { tid = static_cast<pid_t>(syscall(SYS_gettid)); }).join();
      truth["tid"] = tid;
      if (uring) ring_connect(new_socket(AF_INET, SOCK_DGRAM), ip_address("127.0.0.1", 9), IOSQE_ASYNC);
      born(fork(), "fork");
    });
    const pid_t pid = actor.pid();
    Tracer usual(command(tier, {"-p", actor.id()})), threads(command(tier, {"--threads", "-p", actor.id()}));
    Tracer workers(command(tier, {"--workers", "-p", actor.id()}));
    const Json truth = actor.act();
    usual.stop(), threads.stop(), workers.stop();
    REQUIRE(usual.events().size() == 1);
    CHECK(usual.events()[0]["kind"] == "process");
    const auto with_threads = threads.events();
    REQUIRE(with_threads.size() == 2);
    CHECK(with_threads[0]["kind"] == "thread");
    CHECK(with_threads[0]["child"] == truth["tid"]);
    CHECK(with_threads[0]["exit_signal"].is_null());
    CHECK(with_threads[0]["flags"].get<std::string>().starts_with("CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD"));
    if (!uring) CANNOT_TEST("this kernel has no io_uring");
    const auto with_workers = workers.events();
    REQUIRE(with_workers.size() >= 2);
    CHECK(with_workers.back()["kind"] == "process");
    for (std::size_t i = 0; i + 1 < with_workers.size(); i++) {
      CHECK(with_workers[i]["kind"] == "io_uring");
      CHECK(with_workers[i]["via"] == "io_uring");
      CHECK(with_workers[i]["pid"] == pid);
    }
  }
}
