// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Whose deeds are shown: trees of processes, a command, and the filters, of every tool.
#include "deeds.h"

#include <bpf/bpf.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <pty.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

using namespace harness;

namespace {

using Pids = std::vector<pid_t>;

std::string state_of(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(in, line);  // fails if it is gone meanwhile
  return line.empty() ? "" : line.substr(line.rfind(')') + 2, 1);
}

// A family of processes, each of which does what it is told. Number 0 is a child of the test's.
class Puppets {
 public:
  explicit Puppets(std::function<void()> deed) : deed_(std::move(deed)) {
    void* p = mmap(nullptr, sizeof(Strings), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    strings_ = new (p) Strings{};
    strings_->pid[0] = make(0);
  }
  ~Puppets() {
    for (int i = 0; i < kMax; i++) strings_->order[i] = kEnd;
    waitpid(strings_->pid[0], nullptr, 0);
    for (int i = 0; i < kMax; i++)
      if (strings_->pid[i] > 0) wait_for_end(i);
    munmap(strings_, sizeof(Strings));
  }
  Puppets(const Puppets&) = delete;
  Puppets& operator=(const Puppets&) = delete;

  pid_t fork(int parent, int child) {
    tell(parent, kFork + child);
    return pid(child);
  }
  void act(int who) { tell(who, kAct); }
  void unshare(int who, int what) { tell(who, kUnshare + what); }
  // Ends it; the kernel has done with it when this returns.
  void end(int who) {
    strings_->order[who] = kEnd;
    if (who == 0) waitpid(pid(0), nullptr, 0);
    wait_for_end(who);
  }
  pid_t pid(int who) const { return strings_->pid[who]; }
  std::string id(int who) const { return std::to_string(pid(who)); }

 private:
  static constexpr int kMax = 16;
  enum Order { kNone, kAct, kEnd, kFork = 16, kUnshare = 0x100000 };
  struct Strings {
    std::atomic<int> order[kMax];
    std::atomic<pid_t> pid[kMax];
  };

  void tell(int who, int order) {
    strings_->order[who] = order;
    while (strings_->order[who] != kNone) {
      if (state_of(pid(who)) == "") FAIL("puppet " << who << " is dead");
      usleep(200);
    }
  }
  void wait_for_end(int who) {
    for (std::string s = state_of(pid(who)); s != "" && s != "Z" && s != "X"; s = state_of(pid(who))) usleep(200);
  }
  pid_t make(int me) {
    const pid_t made = ::fork();
    if (made != 0) return static_cast<pid_t>(check(made, "fork"));
    signal(SIGCHLD, SIG_IGN);                                                            // no zombies
    const auto forgotten = std::chrono::steady_clock::now() + std::chrono::minutes(10);  // no alarm(), which wakes others' hooks
    for (; std::chrono::steady_clock::now() < forgotten; usleep(200)) {
      const int order = strings_->order[me];
      if (order == kNone) continue;
      if (order == kEnd) _exit(0);
      if (order == kAct) deed_();
      else if (order >= kUnshare) check(::unshare(order - kUnshare), "unshare");
      else strings_->pid[order - kFork] = make(order - kFork);
      strings_->order[me] = kNone;
    }
    _exit(1);
  }

  std::function<void()> deed_;
  Strings* strings_;
};

Pids pids_of(const Tracer& tracer) {
  Pids pids;
  for (const Json& e : tracer.events()) pids.push_back(e["pid"]);
  std::sort(pids.begin(), pids.end());
  return pids;
}
Pids sorted(Pids pids) {
  std::sort(pids.begin(), pids.end());
  return pids;
}

Args with(Args args, const Args& more) {
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

// Two processes do the tool's deed under a tracer that is to show only the first. `be_first` and
// `be_second` run in them before; `filter` tells how to ask for it.
using Filter = std::function<Args(const Actor& first, const Actor& second)>;
void only_first(const std::string& tool, const std::function<void()>& be_first, const std::function<void()>& be_second,
                const Filter& filter) {
  TempDir dir;
  const std::string path = dir.file("f");
  Actor first([&](Json&) { be_first(), deed_for(tool, path); });
  Actor second([&](Json&) { be_second(), deed_for(tool, path); });
  const Pids wanted{first.pid()};
  const Args asked = filter(first, second);
  INFO(tool << " " << Json(asked).dump());
  Tracer tracer(tool, with({"-j", "-o", "pid", "-p", first.id() + "," + second.id()}, asked));
  second.act();
  first.act();
  tracer.stop();
  CHECK(tracer.status() == 0);
  CHECK(pids_of(tracer) == wanted);
}

std::string slurp(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> paths_of(const std::vector<Json>& events) {
  std::vector<std::string> paths;
  for (const Json& e : events) paths.push_back(e["path"]);
  return paths;
}

// fork(2) with an id of one's own choice, when the process that has it is reaped.
pid_t fork_as(pid_t id) {
  pid_t set[] = {id};
  clone_args args{};
  args.exit_signal = SIGCHLD;
  args.set_tid = reinterpret_cast<__u64>(set);
  args.set_tid_size = 1;
  long made = -1;
  do made = syscall(SYS_clone3, &args, sizeof args);
  while (made < 0 && errno == EEXIST);
  return static_cast<pid_t>(check(made, "clone3"));
}

}  // namespace

TEST_CASE("a tree of five levels whose middle dies, in each tier") {
  TempDir dir;
  const std::string path = dir.file("f");
  for (const std::string& tool : all_tools())
    for (const std::string& tier : tiers(tool)) {
      INFO(tool << " " << tier);
      Puppets before([&] { deed_for(tool, path); });
      Puppets outside([&] { deed_for(tool, path); });
      for (int i = 0; i < 3; i++) before.fork(i, i + 1);
      Tracer tracer(tool, {"-j", "-o", "pid", "--hook", tier, "--tree", before.id(0)});
      before.fork(3, 4);  // 0 > 1 > 2 > 3 > 4, the last one born later
      before.end(1), before.end(2);
      before.act(3), before.act(4), before.act(0);
      before.end(3);
      before.fork(4, 5);  // after its parent's parent died
      before.end(4);
      before.act(5);
      outside.act(0);
      const Pids wanted = sorted({before.pid(0), before.pid(3), before.pid(4), before.pid(5)});
      tracer.stop();
      CHECK(tracer.status() == 0);
      CHECK(tracer.lost() == 0);
      CHECK(pids_of(tracer) == wanted);
    }
}

TEST_CASE("several trees: with the last one the tool ends") {
  TempDir dir;
  const std::string path = dir.file("f");
  for (const std::string& tool : all_tools()) {
    INFO(tool);
    Puppets a([&] { deed_for(tool, path); }), b([&] { deed_for(tool, path); });
    Tracer tracer(tool, {"-j", "-o", "pid", "--tree", a.id(0) + "," + b.id(0)});
    a.act(0);
    a.fork(0, 1);
    a.end(0);
    a.act(1);
    b.act(0);
    const Pids wanted = sorted({a.pid(0), a.pid(1), b.pid(0)});
    a.end(1);
    b.end(0);
    tracer.wait();
    CHECK(tracer.status() == 0);
    CHECK(pids_of(tracer) == wanted);
  }
}

TEST_CASE("whatever thread of a tree forks, and whoever it says is the parent, the child is followed") {
  TempDir dir;
  const std::string path = dir.file("f");
  Pids wanted;
  Actor actor([&](Json& truth) {
    std::thread([&] {  // a thread that ends before its child acts
      int ready[2];
      check(pipe(ready), "pipe");
      const pid_t pid = static_cast<pid_t>(check(fork(), "fork"));
      if (pid == 0) {
        char c;
        close(ready[1]);
        [[maybe_unused]] const ssize_t n = read(ready[0], &c, 1);
        close(open(path.c_str(), O_RDONLY));
        _exit(0);
      }
      truth["by_thread"] = pid;
      close(ready[1]);
    })
        .join();
    const pid_t sibling = static_cast<pid_t>(check(syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0), "clone"));
    if (sibling == 0) {
      close(open(path.c_str(), O_RDONLY));
      _exit(0);
    }
    truth["sibling"] = sibling;
    waitpid(truth["by_thread"], nullptr, 0);
  });
  Tracer tracer("opensnoop", {"-j", "-o", "pid", "--path", path, "--tree", actor.id()});
  const Json truth = actor.act();
  waitpid(truth["sibling"], nullptr, 0);
  tracer.wait();
  CHECK(pids_of(tracer) == sorted({truth["by_thread"], truth["sibling"]}));
}

TEST_CASE("no process is missed that is forked while the tracer starts") {
  TempDir dir;
  const std::string path = dir.file("f");
  struct Birth {
    std::atomic<pid_t> pid;
    std::atomic<long long> orphaned, acted;  // not before; before
  };
  constexpr int kMost = 100000;
  struct Shared {
    std::atomic<bool> stop;
    std::atomic<int> births;
    Birth birth[kMost];
  };
  const auto now = [] {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
  };
  void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  auto* const shared = new (memory) Shared{};
  // Its children have children that outlive them, and then open the file.
  Actor storm([&](Json&) {
    signal(SIGCHLD, SIG_IGN);
    for (int i = 0; i < kMost && !shared->stop; i++) {
      int gone[2];
      check(pipe(gone), "pipe");
      if (check(fork(), "fork") == 0) {
        if (fork() == 0) {
          char c;
          close(gone[1]);
          [[maybe_unused]] const ssize_t n = read(gone[0], &c, 1);  // the end of the parent
          shared->birth[i].pid = getpid();
          close(open(path.c_str(), O_RDONLY));
          shared->birth[i].acted = now();
          _exit(0);
        }
        usleep(static_cast<useconds_t>(i % 8 * 500));
        shared->birth[i].orphaned = now();
        _exit(0);
      }
      close(gone[0]), close(gone[1]);
      shared->births = i + 1;
      usleep(300);
    }
    while (wait(nullptr) > 0) {
    }
  });
  const std::string root = storm.id();
  storm.start();
  std::vector<std::set<pid_t>> seen;
  std::vector<long long> from, to;
  for (int round = 0; round < 4; round++) {
    Tracer tracer("opensnoop", {"-j", "-o", "pid", "--path", path, "--tree", root});
    from.push_back(now());
    const int before = shared->births;
    while (shared->births < before + 40) usleep(1000);
    to.push_back(now());
    tracer.stop();
    CHECK(tracer.lost() == 0);
    const Pids pids = pids_of(tracer);
    seen.emplace_back(pids.begin(), pids.end());
  }
  shared->stop = true;
  storm.finish();
  int checked = 0;
  for (std::size_t round = 0; round < seen.size(); round++)
    for (int i = 0; i < shared->births; i++) {
      const Birth& b = shared->birth[i];
      if (b.orphaned < from[round] || b.acted == 0 || b.acted > to[round]) continue;
      checked++;
      if (!seen[round].contains(b.pid)) FAIL_CHECK("round " << round << ": process " << b.pid << " was missed");
    }
  CHECK(checked > 50);
  munmap(memory, sizeof(Shared));
}

TEST_CASE("another process that gets the id of one that was followed is not followed") {
  TempDir dir;
  const std::string path = dir.file("f");
  Puppets tree([&] { close(open(path.c_str(), O_RDONLY)); });
  Tracer tracer("opensnoop", {"-j", "-o", "pid", "--path", path, "--tree", tree.id(0)});
  const pid_t id = tree.fork(0, 1);
  tree.act(1);
  tree.end(1);
  const pid_t other = fork_as(id);
  if (other == 0) {
    close(open(path.c_str(), O_RDONLY));
    close(open(path.c_str(), O_RDONLY));
    _exit(0);
  }
  waitpid(other, nullptr, 0);
  REQUIRE(other == id);
  tree.act(0);
  const Pids wanted = sorted({tree.pid(0), id});
  tracer.stop();
  CHECK(pids_of(tracer) == wanted);
}

TEST_CASE("more processes than there is room for are counted, and told") {
  TempDir dir;
  const std::string path = dir.file("f");
  Puppets tree([&] { close(open(path.c_str(), O_RDONLY)); });
  Tracer tracer("opensnoop", {"-j", "-o", "pid", "--path", path, "--tree", tree.id(0)});
  int map = -1;  // the tool's own, filled up with processes that there are none of
  for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(tracer.pid()) + "/fdinfo")) {
    std::smatch m;
    const std::string info = slurp(entry.path());
    if (map >= 0 || !std::regex_search(info, m, std::regex("map_id:\\s*([0-9]+)"))) continue;
    const int fd = bpf_map_get_fd_by_id(static_cast<__u32>(std::stoul(m[1])));
    bpf_map_info i{};
    __u32 size = sizeof i;
    if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &i, &size) == 0 && std::string(i.name) == "followed") map = fd;
    else close(fd);
  }
  REQUIRE(map >= 0);
  __u32 pid = 1u << 30;
  const __u64 start = 1;
  while (bpf_map_update_elem(map, &pid, &start, BPF_NOEXIST) == 0) pid++;
  CHECK(pid - (1u << 30) == 65535);
  tree.fork(0, 1);
  tree.fork(0, 2);
  tree.act(1);
  tree.act(0);
  const Pids wanted{tree.pid(0)};
  tracer.stop();
  close(map);
  CHECK(pids_of(tracer) == wanted);
  CHECK(tracer.err().find(" (2 in all) are not followed") != std::string::npos);
}

TEST_CASE("each filter on what a process is") {
  const auto nothing = [] {};
  const std::string name = "n" + std::to_string(getpid());
  const auto rename = [&] { prctl(PR_SET_NAME, name.c_str()); };
  const auto other_user = [] { check(setresuid(65534, 0, 0), "setresuid"); };
  const auto own_session = [] { check(setsid(), "setsid"); };
  const std::string tool = "opensnoop";  // the others: see "filters combine"
  only_first(tool, nothing, nothing, [](const Actor& a, const Actor&) { return Args{"-t", a.id()}; });
  only_first(tool, nothing, nothing, [](const Actor& a, const Actor&) { return Args{"-t", a.id() + ",1"}; });
  only_first(tool, nothing, nothing, [](const Actor&, const Actor& b) { return Args{"--exclude-pid", b.id()}; });
  only_first(tool, nothing, nothing, [](const Actor&, const Actor& b) { return Args{"--exclude-pid", b.id() + ",1"}; });
  only_first(tool, nothing, nothing, [](const Actor& a, const Actor&) { return Args{"--tree", a.id()}; });
  only_first(tool, own_session, nothing, [](const Actor& a, const Actor&) { return Args{"--session", a.id()}; });
  only_first(tool, own_session, own_session, [](const Actor& a, const Actor&) {
    return Args{"--session", "0", "--session", a.id()};
  });
  only_first(tool, other_user, nothing, [](const Actor&, const Actor&) { return Args{"-u", "65534"}; });
  only_first(tool, other_user, nothing, [](const Actor&, const Actor&) { return Args{"-u", "4242,nobody"}; });
  only_first(tool, nothing, other_user, [](const Actor&, const Actor&) { return Args{"--exclude-uid", "nobody"}; });
  only_first(tool, nothing, other_user, [](const Actor&, const Actor&) { return Args{"--exclude-uid", "4242,65534"}; });
  only_first(tool, rename, nothing, [&](const Actor&, const Actor&) { return Args{"-n", "no such", "-n", name.substr(1)}; });
  only_first(tool, nothing, rename, [&](const Actor&, const Actor&) {
    return Args{"--exclude-comm", "no such", "--exclude-comm", name.substr(1)};
  });
  only_first(tool, nothing, rename, [&](const Actor&, const Actor&) { return Args{"--exclude-comm", name}; });
}

TEST_CASE("names: the bytes of any part, not more") {
  const auto be = [](const char* name) { return [name] { prctl(PR_SET_NAME, name); }; };
  const auto ask = [](const char* name) { return [name](const Actor&, const Actor&) { return Args{"-n", name}; }; };
  only_first("opensnoop", be("fifteen bytes ab"), be("ifteen bytes ab"), ask("fifteen bytes a"));
  only_first("opensnoop", be("xxxxxxxxxxxxxab"), be("xxxxxxxxxxxxxxa"), ask("ab"));
  only_first("opensnoop", be("abx"), be("axb"), ask("ab"));
  only_first("opensnoop", be("12345678abc"), be("12345678abx"), ask("78abc"));
  only_first("opensnoop", be("a b,c"), be("a b"), ask("b,c"));
}

TEST_CASE("namespaces: mount and pid, by number or process, lists") {
  TempDir dir;
  const std::string path = dir.file("f");
  Puppets tree([&] { close(open(path.c_str(), O_RDONLY)); });
  tree.fork(0, 1);
  tree.fork(0, 2);
  tree.unshare(1, CLONE_NEWNS);
  tree.unshare(2, CLONE_NEWPID);  // for its children
  tree.fork(2, 3);
  struct stat st {};
  check(stat(("/proc/" + tree.id(3) + "/ns/pid").c_str(), &st), "stat");
  for (const auto& [filter, who] : std::vector<std::pair<Args, Pids>>{
           {{"--mnt-ns", tree.id(1)}, {tree.pid(1)}},
           {{"--pid-ns", tree.id(3)}, {tree.pid(3)}},
           {{"--pid-ns", "4026531836," + std::to_string(st.st_ino)}, {tree.pid(0), tree.pid(1), tree.pid(2), tree.pid(3)}},
           {{"--mnt-ns", tree.id(1), "--mnt-ns", tree.id(2)}, {tree.pid(0), tree.pid(1), tree.pid(2), tree.pid(3)}},
           {{"--pid-ns", tree.id(3), "--mnt-ns", tree.id(1)}, {}}}) {
    INFO(Json(filter).dump());
    Tracer tracer("opensnoop", with({"-j", "-o", "pid", "--path", path, "--tree", tree.id(0)}, filter));
    for (int i = 0; i < 4; i++) tree.act(i);
    tracer.stop();
    CHECK(pids_of(tracer) == sorted(who));
  }
}

TEST_CASE("filters combine, in every tool: of a list any, of several kinds all") {
  TempDir dir;
  const std::string path = dir.file("f"), name = "c" + std::to_string(getpid());
  const std::string session = std::to_string(getsid(0));
  for (const std::string& tool : all_tools()) {
    INFO(tool);
    Puppets tree([&] { deed_for(tool, path); }), named([&] { prctl(PR_SET_NAME, name.c_str()), deed_for(tool, path); });
    tree.fork(0, 1);
    named.fork(0, 1);
    for (int i = 2; i < 5; i++) named.fork(1, i);
    named.unshare(3, CLONE_NEWNS);
    Tracer tracer(tool,
                  {"-j",
                   "-o",
                   "pid",
                   "--tree",
                   tree.id(1),
                   "--tree",
                   named.id(1),
                   "-n",
                   "nosuch",
                   "-n",
                   name,
                   "-p",
                   tree.id(1) + "," + named.id(0) + "," + named.id(1) + "," + named.id(2) + "," + named.id(3),
                   deed_of(tool).other_thread ? "-u" : "-t",  // no id of a thread that is not there yet
                   deed_of(tool).other_thread ? "0" : named.id(1) + "," + named.id(2) + "," + named.id(3) + "," + named.id(4),
                   "--exclude-pid",
                   named.id(2) + ",1",
                   "-u",
                   "0,nobody",
                   "--exclude-uid",
                   "nobody",
                   "--exclude-uid",
                   "4242",
                   "--exclude-comm",
                   "nosuch",
                   "--session",
                   "1," + session,
                   "--mnt-ns",
                   named.id(1),
                   "--pid-ns",
                   "4026532999," + named.id(0)});
    for (int i = 0; i < 2; i++) tree.act(i);
    for (int i = 0; i < 5; i++) named.act(i);
    tracer.stop();
    CHECK(pids_of(tracer) == Pids{named.pid(1)});
  }
}

TEST_CASE("what a filter drops never comes to the buffer") {
  TempDir dir;
  const std::string path = dir.file("f");
  for (const std::string& tool : all_tools()) {
    Puppets one([&] { deed_for(tool, path); });
    std::vector<Args> filters{{"--tree", one.id(0)}};
    if (tool == "opensnoop") filters.insert(filters.end(), {{"-p", one.id(0)}, {"--path", path, "--exclude-comm", "flood"}});
    for (const Args& filter : filters) {
      INFO(tool << " " << Json(filter).dump());
      Actor flood([&](Json&) {
        prctl(PR_SET_NAME, "flood");
        for (int i = 0; i < 5000; i++) deed_for(tool, path);
      });
      Tracer tracer(tool, with({"-j", "-o", "pid", "--buffer", "4K"}, filter));
      kill(tracer.pid(), SIGSTOP);  // nobody reads
      flood.act();
      one.act(0);
      kill(tracer.pid(), SIGCONT);
      tracer.stop();
      CHECK(tracer.lost() == 0);
      CHECK(tracer.err().find("lost") == std::string::npos);
      CHECK(pids_of(tracer) == Pids{one.pid(0)});
    }
  }
}

TEST_CASE("a command is traced from its first deed to its last") {
  TempDir dir;
  const std::string path = dir.file("f");
  {
    Tracer tracer("opensnoop", {"-j", "--", "sh", "-c", ": < " + path});
    tracer.wait();
    CHECK(tracer.status() == 0);
    CHECK(tracer.lost() == 0);
    const auto events = tracer.events();
    REQUIRE(events.size() >= 2);
    CHECK(events.front()["path"] == "/etc/ld.so.cache");
    CHECK(events.back()["path"] == path);
    for (const Json& e : events) {
      CHECK(e["pid"] == events[0]["pid"]);
      CHECK(e["comm"] == "sh");
      CHECK(e["uid"] == getuid());
    }
  }
  for (const std::string& tool : all_tools())
    for (const std::string& tier : tiers(tool)) {
      INFO(tool << " " << tier);
      // Also what its children do, and what those do that outlive it: until it is gone, and later.
      const std::string deed = deed_of(tool).script(path);
      const std::string script = deed + "; (" + deed + "); bash -c 'while kill -0 $0 2>&-; do :; done; " + deed + "' $$ & exit 5";
      Tracer tracer(tool, {"-j", "--hook", tier, "--", "bash", "-c", script});
      tracer.wait();
      CHECK(tracer.status() == 5);
      CHECK(tracer.lost() == 0);
      std::set<pid_t> who;
      for (const Json& e : tracer.events())
        if (deed_of(tool).is_of_script(e, path)) who.insert(e["pid"].get<pid_t>());
      CHECK(who.size() == 3);
    }
}

TEST_CASE("a command's exec is its first line, and the program's own name is there") {
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    Tracer tracer("execsnoop", {"-j", "--hook", tier, "--", "sh", "-c", "exit 0", "two words"});
    tracer.wait();
    const auto events = tracer.events();
    REQUIRE(events.size() == 1);  // $PATH was searched without an exec
    CHECK(events[0]["errno"] == 0);
    CHECK(events[0]["args"] == Json{"sh", "-c", "exit 0", "two words"});
  }
}

TEST_CASE("the tool ends as its command ends") {
  const auto status = [](const Args& command) { return run_tool("opensnoop", with({"--no-heading", "--"}, command)).status; };
  CHECK(status({"true"}) == 0);
  CHECK(status({"false"}) == 1);
  CHECK(status({"sh", "-c", "exit 3"}) == 3);
  CHECK(status({"sh", "-c", "exit 255"}) == 255);
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGSEGV, SIGPIPE, SIGTERM, SIGUSR1}) {
    INFO(signal);
    const std::string script = "kill -" + std::to_string(signal) + " $$";
    CHECK(status({"sh", "-c", script}) == 128 + signal);
    // By the same signal: a shell can tell.
    const pid_t pid = fork();
    if (pid == 0) {
      const int null = open("/dev/null", O_RDWR);
      dup2(null, 1), dup2(null, 2);
      execl(tool_path("opensnoop").c_str(), "opensnoop", "--", "sh", "-c", script.c_str(), nullptr);
      _exit(1);
    }
    int s = 0;
    waitpid(pid, &s, 0);
    CHECK(WIFSIGNALED(s));
    CHECK(WTERMSIG(s) == signal);
    CHECK(!WCOREDUMP(s));
  }
}

TEST_CASE("with --count or a reader that goes the command still runs to its end") {
  TempDir dir;
  const std::string path = dir.file("f"), made = dir / "made";
  Tracer tracer("opensnoop", {"-j", "--count", "1", "--", "sh", "-c", ": < " + path + "; : > " + made + "; exit 6"});
  tracer.wait();
  CHECK(tracer.status() == 6);
  CHECK(tracer.events().size() == 1);
  CHECK(std::filesystem::exists(made));
  const Result r = run({"bash", "-c", "\"$@\" | head -1; exit ${PIPESTATUS[0]}", "bash", tool_path("opensnoop"), "--", "sh", "-c",
                        "for i in 1 2 3 4 5 6 7 8 9; do : < " + path + "; done; : > " + made + "2; exit 7"});
  CHECK(r.status == 7);
  CHECK(std::count(r.out.begin(), r.out.end(), '\n') == 1);
  CHECK(std::filesystem::exists(made + "2"));
}

TEST_CASE("a command that cannot be run: one line, and the status of a shell") {
  TempDir dir;
  const std::string file = dir.file("file"), script = dir.file("script", "exit 4\n", 0755),
                    bad = dir.file("bad", "#!/nonexistent\n", 0755);
  for (const auto& [command, status, says] : std::vector<std::tuple<std::string, int, std::string>>{
           {"nosuchcommand", 127, "cannot run nosuchcommand: there is no such command in $PATH\n"},
           {dir / "none", 127, "cannot run " + dir / "none" + ": No such file or directory\n"},
           {file, 126, "cannot run " + file + ": Permission denied\n"},
           {dir.path(), 126, "cannot run " + dir.path() + ": Is a directory\n"},
           {"", 127, "cannot run : there is no such command in $PATH\n"},
           {"no\nsuch", 127, "cannot run no\\nsuch: there is no such command in $PATH\n"}}) {
    const Result r = run_tool("opensnoop", {"--", command});
    CHECK(r.status == status);
    CHECK(r.out == "");
    CHECK(r.err == "opensnoop: " + says);
  }
  CHECK(run_tool("opensnoop", {"--", script}).status == 4);  // as a shell does it
  const Result r = run_tool("opensnoop", {"--", bad});
  CHECK(r.status == 127);  // known only when it is tried
  CHECK(r.err.ends_with("cannot run " + bad + ": No such file or directory\n"));
}

TEST_CASE("a command has nothing of the tool's, and all of the caller's") {
  TempDir dir;
  const std::string out = dir / "out";
  const std::string script =
      "{ id -u; id -g; id -G; ls /proc/self/fd | tr '\\n' ' '; echo; grep -E '^(Cap(Inh|Prm|Eff|Amb)|Sig(Blk|Ign)|NoNewPrivs)' "
      "/proc/self/status | tr -s '\\n\\t' ' '; echo; echo \"$HOME $OWN\"; ps -o ppid= -p $$ | tr -d ' '; } > " +
      out;
  dir.file("out", "", 0666);
  check(chmod(dir.path().c_str(), 0777), "chmod");
  const std::string caps = std::regex_replace(
      [] {
        const Result r = run({"grep", "CapEff", "/proc/self/status"});
        return r.out.substr(r.out.find('\t') + 1, 16);
      }(),
      std::regex("\n"), "");
  const std::string descriptors = run({"sh", "-c", "ls /proc/self/fd | tr '\\n' ' '"}).out;
  const auto lines = [&](const Args& env, const Args& options) {
    Args command{"env", "HOME=/of/sudo", "OWN=too"};
    command = with(with(command, env), {tool_path("opensnoop"), "--no-heading"});
    Tracer tracer(with(with(command, options), {"--", "sh", "-c", script}));
    const std::string parent = std::to_string(tracer.pid());
    tracer.wait();
    CHECK(tracer.status() == 0);
    std::vector<std::string> all;
    std::istringstream in(slurp(out));
    for (std::string line; std::getline(in, line);) all.push_back(line);
    REQUIRE(all.size() == 7);
    CHECK(all[3] == descriptors);
    CHECK(all[4].find("SigBlk: 0000000000000000 SigIgn: 0000000000000000") != std::string::npos);
    CHECK(all[4].find("NoNewPrivs: 0") != std::string::npos);
    CHECK(all[5] == "/of/sudo too");
    CHECK(all[6] == parent);
    return all;
  };
  const std::string none = "CapInh: 0000000000000000 CapPrm: 0000000000000000 CapEff: 0000000000000000 ";
  auto all = lines({}, {});
  CHECK(all[0] == "0");
  CHECK(all[4].find("CapEff: " + caps) != std::string::npos);
  all = lines({"SUDO_UID=65534", "SUDO_GID=65533", "SUDO_USER=nobody"}, {});
  CHECK(all[0] == "65534");
  CHECK(all[1] == "65533");
  CHECK(all[4].find(none) != std::string::npos);
  all = lines({"SUDO_UID=4242", "SUDO_GID=4243"}, {});  // of no passwd
  CHECK(all[0] == "4242");
  CHECK(all[1] == "4243");
  CHECK(all[2] == "4243");
  all = lines({"SUDO_UID=4242", "SUDO_GID=4243"}, {"--run-as", "root"});
  CHECK(all[0] == "0");
  CHECK(all[4].find("CapEff: " + caps) != std::string::npos);
  all = lines({}, {"--run-as", "nobody"});
  CHECK(all[0] == "65534");
  CHECK(all[1] == "65534");
  CHECK(all[2] == "65534");
  CHECK(all[4].find(none) != std::string::npos);

  for (const auto& [env, args, says] : std::vector<std::tuple<std::string, Args, std::string>>{
           {"SUDO_UID=x", {}, "SUDO_UID is 'x', which is no id; say with --run-as who is to run the command\n"},
           {"SUDO_UID=4242", {}, "SUDO_UID is 4242, a user without a group; say with --run-as who is to run the command\n"},
           {"A=b", {"--run-as", "nosuchuser"}, "--run-as: there is no user 'nosuchuser' in /etc/passwd\n"}}) {
    const Result r = run(with(with({"env", env, tool_path("opensnoop")}, args), {"--", "true"}));
    CHECK(r.status == 2);
    CHECK(r.err == "opensnoop: " + says);
  }
}

TEST_CASE("signals sent to the tool are passed on to the command, whoever runs it") {
  TempDir dir;
  for (const char* user : {"root", "nobody"})
    for (const int signal : {SIGTERM, SIGHUP, SIGINT, SIGQUIT}) {
      INFO(user << " " << signal);
      const std::string n = std::to_string(signal), fifo = dir / (std::string(user) + n);
      check(mkfifo(fifo.c_str(), 0666), "mkfifo");
      check(chmod(fifo.c_str(), 0666), "chmod");
      check(chmod(dir.path().c_str(), 0755), "chmod");
      Tracer tracer("opensnoop", {"-j", "--run-as", user, "--", "bash", "-c",
                                  "trap ': < /nonexistent/trap; exit 9' " + n + "; echo > " + fifo +
                                      "; while :; do read -t 0.05 < /dev/null; done"});
      slurp(fifo);  // it has set its trap
      kill(tracer.pid(), signal);
      tracer.wait();
      CHECK(tracer.status() == 9);
      const auto paths = paths_of(tracer.events());
      CHECK(std::count(paths.begin(), paths.end(), "/nonexistent/trap") == 1);  // it went on to trace
    }
}

TEST_CASE("when the command has ended, Ctrl-C ends the wait for what it left, with its status") {
  TempDir dir;
  const std::string fifo = dir / "fifo";
  check(mkfifo(fifo.c_str(), 0666), "mkfifo");
  // What it leaves tells its id, and waits for ever.
  Tracer tracer("opensnoop", {"--", "bash", "-c",
                              "trap '' INT; { while kill -0 $$ 2>&-; do :; done; echo $BASHPID > " + fifo +
                                  "; exec sleep 1000; } >&- 2>&- & exit 3"});
  const std::string left = slurp(fifo);
  tracer.stop(SIGINT);
  CHECK(tracer.status() == 3);
  CHECK(kill(std::stoi(left), SIGKILL) == 0);  // it lives on
}

TEST_CASE("Ctrl-C on a terminal is the command's: the tool prints on until that ends") {
  TempDir dir;
  const std::string ready = dir.file("ready"), after = dir.file("after");
  for (const bool caught : {true, false}) {
    INFO(caught);
    int master = -1;
    const pid_t pid = forkpty(&master, nullptr, nullptr, nullptr);
    REQUIRE(pid >= 0);
    if (pid == 0) {
      const std::string script = std::string(caught ? "trap 'echo caught; : < " + after + "; exit 7' INT; " : "") + ": < " +
                                 ready + "; while :; do read -t 0.05 < /dev/null; done";
      execl(tool_path("opensnoop").c_str(), "opensnoop", "--", "bash", "-c", script.c_str(), nullptr);
      _exit(1);
    }
    std::string text;
    bool sent = false;
    char buffer[4096];
    for (ssize_t n; (n = read(master, buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<std::size_t>(n));
      if (!sent && text.find(ready + "\r\n") != std::string::npos) sent = write(master, "\3", 1) == 1;
    }
    int s = 0;
    waitpid(pid, &s, 0);
    close(master);
    INFO(text);
    CHECK(sent);
    if (caught) {
      CHECK(WIFEXITED(s));
      CHECK(WEXITSTATUS(s) == 7);
      CHECK(text.find("caught\r\n") != std::string::npos);
      CHECK(text.find(after + "\r\n") != std::string::npos);
    } else {
      CHECK(WIFSIGNALED(s));
      CHECK(WTERMSIG(s) == SIGINT);
    }
    CHECK(text.find(" shown, 0 lost\r\n") != std::string::npos);
  }
}

TEST_CASE("lines of the tool and of its command stay whole in one pipe") {
  TempDir dir;
  const std::string path = dir.file("f");
  const Result r = run(command_of("opensnoop", {"-j", "-o", "pid,path", "--path", path, "--", "bash", "-c",
                                                "for i in {1..3000}; do : < " + path + "; echo command; done"}));
  CHECK(r.status == 0);
  std::istringstream in(r.out);
  int events = 0, own = 0;
  for (std::string line; std::getline(in, line);) {
    if (line == "command") own++;
    else if (const Json j = Json::parse(line, nullptr, false); !j.is_discarded() && j["path"] == path) events++;
    else FAIL_CHECK("not whole: " << line);
  }
  CHECK(events == 3000);
  CHECK(own == 3000);
}

TEST_CASE("a command's own tree and others are one list") {
  TempDir dir;
  const std::string path = dir.file("f"), fifo = dir / "pipe";
  check(mkfifo(fifo.c_str(), 0666), "mkfifo");
  Puppets tree([&] { close(open(path.c_str(), O_RDONLY)); });
  Tracer tracer("opensnoop",
                {"-j", "--path", path, "--tree", tree.id(0), "--", "bash", "-c", ": < " + path + "; echo > " + fifo});
  slurp(fifo);
  tree.act(0);
  const pid_t pid = tree.pid(0);
  tree.end(0);
  tracer.wait();
  CHECK(tracer.status() == 0);
  const auto events = tracer.events();
  REQUIRE(events.size() == 2);
  CHECK(events[0]["comm"] == "bash");
  CHECK(events[1]["pid"] == pid);
}

// A shell's script with the tool and a process beside it that does the tool's deed: TOOL and DEED stand for them.
Result by_script(const std::string& tool, const std::string& path, const Args& unshare, std::string script) {
  script = std::regex_replace(script, std::regex("TOOL"), shell_command_of(tool) + "--no-heading");
  script = std::regex_replace(script, std::regex("DEED"), deed_of(tool).script(path) + " 2>/dev/null");
  return run(with(unshare, {"bash", "-c", script}));
}

TEST_CASE("start is the same number whoever asks, how often, and in what time namespace") {
  TempDir dir;
  const std::string path = dir.file("f");
  Puppets one([&] {
    for (const std::string& tool : all_tools()) deed_for(tool, path);
  });
  std::istringstream stat(slurp("/proc/" + one.id(0) + "/stat"));
  std::string word;
  for (int i = 0; i < 22; i++) stat >> word;  // its name has no blank
  std::set<unsigned long long> starts;
  for (const std::string& tool : all_tools())
    for (int i = std::getenv("VMRUN") ? 2 : 0; i < 4; i++) {  // to start a tool takes long where the CPU is emulated
      Args command = command_of(tool, {"-j", "-o", "start", "-p", one.id(0)});
      if (i == 3) command = with({"unshare", "--time", "--boottime", "86400", "--monotonic", "-100", "--fork"}, command);
      Tracer tracer(command);
      one.act(0);
      one.act(0);
      const pid_t child = tracer.pid();
      if (i == 3) run({"pkill", "-INT", "-P", std::to_string(child)}), tracer.wait();
      else tracer.stop();
      for (const Json& e : tracer.events()) starts.insert(e["start"].get<unsigned long long>());
    }
  REQUIRE(starts.size() == 1);
  CHECK(*starts.begin() / 1000 * static_cast<unsigned long long>(sysconf(_SC_CLK_TCK)) / 1000 == std::stoull(word));
}

TEST_CASE("times in a time namespace are those of the clock on the wall") {
  TempDir dir;
  const std::string path = dir.file("f");
  for (const std::string& tool : all_tools())
    for (const char* offset : {"86400", "1", "1000000"}) {
      if (std::getenv("VMRUN") && *offset != '8') continue;
      INFO(tool << " " << offset);
      const long long before = std::time(nullptr);
      const Result r = by_script(tool, path, {"unshare", "--time", "--boottime", offset, "--fork"},
                                 "TOOL -j -o time,started -- bash -c 'DEED'");
      const long long after = std::time(nullptr);
      std::istringstream lines(r.out);
      int n = 0;
      for (std::string line; std::getline(lines, line); n++)
        for (const char* key : {"time", "started"}) {
          const long long second = time_of(Json::parse(line)[key]) / 1'000'000'000;
          CHECK(second >= before - 1);
          CHECK(second <= after + 1);
        }
      CHECK(n > 0);
    }
}

TEST_CASE("in a pid namespace filters take its ids: processes, threads, trees, sessions, those that are left out") {
  TempDir dir;
  const std::string path = dir.file("f");
  const Args unshare{"unshare", "--pid", "--mount-proc", "--fork"};
  for (const std::string& tool : all_tools()) {
    INFO(tool);
    // Two that do the same; the second is in a session of its own. Lines say which by nspid.
    const std::string two =
        "loop() { for ((;;)); do read -t 0.1 < <(exec sleep 0.1); DEED; done; }; export -f loop; loop & one=$!; "
        "setsid bash -c loop & two=$!; ";
    for (const char* filter :
         {"--tree $one", "--tree $one,$two --exclude-comm none", "--session $two", "--tree $$ --tree $two"}) {
      INFO(filter);
      const Result r = by_script(tool, path, unshare,
                                 two + "timeout -s INT 2 TOOL -o nspid " + std::string(filter) + "; kill -9 $one $two; true");
      CHECK(r.out != "");
      CHECK(r.err.find("in a pid namespace") != std::string::npos);
    }
    if (tool != "opensnoop") continue;
    const auto ids = [&](const std::string& filter) {
      const Result r = by_script(tool, path, unshare,
                                 two + "timeout -s INT 2 TOOL --path " + path + " -o nspid " + filter +
                                     " | sort -u | sed \"s/^ *$one\\$/one/; s/^ *$two\\$/two/\"; kill -9 $one $two; true");
      return r.out;
    };
    CHECK(ids("-p $one") == "one\n");
    CHECK(ids("-p $one,1") == "one\n");
    CHECK(ids("-p 1") == "");
    CHECK(ids("-t $two") == "two\n");
    CHECK(ids("-p $one,$two --exclude-pid $one") == "two\n");
    CHECK(ids("-p $one,$two --session $two") == "two\n");
    CHECK(ids("--tree $two") == "two\n");
    CHECK(ids("-p $one,$two") == "one\ntwo\n");
  }
}

TEST_CASE("options: -p: the tool ends when the last process has, says so, and goes on for those that are left") {
  TempDir dir;
  const std::string path = dir.file("f");
  for (const std::string& tool : all_tools()) {
    INFO(tool);
    Puppets a([&] { deed_for(tool, path); }), b([&] { deed_for(tool, path); });
    const std::string gone = [] {
      const pid_t pid = fork();
      if (pid == 0) _exit(0);
      waitpid(pid, nullptr, 0);
      return std::to_string(pid);
    }();
    Tracer tracer(tool, {"-j", "-o", "pid", "-p", a.id(0) + "," + gone + "," + b.id(0)});
    a.act(0);
    a.end(0);
    b.act(0);
    const Pids wanted = sorted({a.pid(0), b.pid(0)});
    b.end(0);
    tracer.wait();
    CHECK(tracer.status() == 0);
    CHECK(pids_of(tracer) == wanted);
    CHECK(tracer.err().find("there is no process " + gone + " any more; going on with the others\n") != std::string::npos);
    CHECK(tracer.err().ends_with("what --pid asked for has ended\n"));
    const Result none = run_tool(tool, {"-p", gone + "," + gone});
    CHECK(none.status == 2);
    CHECK(none.err.find("there is no process " + gone) != std::string::npos);
  }
}

TEST_CASE("options: -p, -t and --exclude-pid mean the process that had the id, not the next one") {
  TempDir dir;
  const std::string path = dir.file("f");
  Puppets old([&] { close(open(path.c_str(), O_RDONLY)); }), other([&] { close(open(path.c_str(), O_RDONLY)); });
  const pid_t id = old.pid(0);
  const std::string both = old.id(0) + "," + other.id(0);
  Tracer by_pid("opensnoop", {"-j", "-o", "pid", "--path", path, "-p", both}),
      by_tid("opensnoop", {"-j", "-o", "pid", "--path", path, "-t", both}),
      but("opensnoop", {"-j", "-o", "pid", "--path", path, "--exclude-pid", both});
  old.act(0);
  old.end(0);
  const pid_t next = fork_as(id);
  if (next == 0) {
    close(open(path.c_str(), O_RDONLY));
    _exit(0);
  }
  waitpid(next, nullptr, 0);
  REQUIRE(next == id);
  other.act(0);
  const Pids wanted = sorted({id, other.pid(0)});
  for (Tracer* t : {&by_pid, &by_tid, &but}) t->stop();
  CHECK(pids_of(by_pid) == wanted);
  CHECK(pids_of(by_tid) == wanted);
  CHECK(pids_of(but) == Pids{id});
}

TEST_CASE("options: -p needs no /proc") {
  TempDir dir;
  const std::string path = dir.file("f");
  for (const std::string& tool : all_tools()) {
    Puppets one([&] { deed_for(tool, path); });
    Tracer tracer(
        {"unshare", "-m", "bash", "-c",
         "mount --make-rprivate / && mount -t tmpfs none /proc && exec " + shell_command_of(tool) + "-j -o pid -p " + one.id(0)});
    one.act(0);
    const Pids wanted{one.pid(0)};
    tracer.stop();
    CHECK(pids_of(tracer) == wanted);
  }
}

TEST_CASE("options: --ppid: children of these processes, and the tool ends with the last of these") {
  TempDir dir;
  const std::string path = dir.file("f");
  for (const std::string& tool : all_tools()) {
    INFO(tool);
    Puppets tree([&] { deed_for(tool, path); }), other([&] { deed_for(tool, path); });
    tree.fork(0, 1);
    tree.fork(1, 2);
    other.fork(0, 1);
    Tracer tracer(tool, {"-j", "-o", "pid,ppid", "--ppid", tree.id(0), "--ppid", other.id(1)});
    for (int i = 0; i < 3; i++) tree.act(i);
    other.act(1);
    const Pids wanted{tree.pid(1)};
    other.end(1);
    tree.end(0);
    tree.act(1);  // another's child by now
    tracer.wait();
    CHECK(tracer.status() == 0);
    CHECK(pids_of(tracer) == wanted);
    CHECK(tracer.err().ends_with("what --ppid asked for has ended\n"));
  }
}

TEST_CASE("options: --euid: the effective user, of setuid programs too") {
  for (const std::string& tool : all_tools()) {
    const auto effective = [] { check(setresuid(65534, 65533, 0), "setresuid"); };
    const auto real = [] { check(setresuid(65533, 65534, 0), "setresuid"); };
    only_first(tool, effective, real, [](const Actor&, const Actor&) { return Args{"--euid", "65533"}; });
    only_first(tool, effective, real, [](const Actor&, const Actor&) { return Args{"--euid", "4242,65533", "-u", "nobody"}; });
  }
}
