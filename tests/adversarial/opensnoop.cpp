// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Actors that cheat, and floods: what opensnoop says must still be true, or be marked.
#include "harness.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <random>
#include <regex>
#include <sstream>

using namespace harness;

namespace {

std::string bytes_of(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}
std::string hex_of(const std::string& bytes) {
  std::ostringstream out;
  for (const unsigned char c : bytes) out << std::hex << (c >> 4) << (c & 15);
  return out.str();
}

constexpr int kCalls = 3000;

std::string src_of_success(const std::string& tier) { return tier == "tp" ? "fd" : "kernel"; }

}  // namespace

TEST_CASE("a thread that flips a byte of the path: every line names the file that was opened") {
  TempDir dir;
  // Each call has a pair of its own, so that a line of another call cannot pass.
  for (int i = 0; i < kCalls; i++) dir.file("a" + std::to_string(i), ""), dir.file("b" + std::to_string(i), "");
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    Json truth;
    const auto events = trace(
        "opensnoop", {"--hook", tier, "--buffer", "64M", "--path", dir / ""},
        [&](Json& t) {
          std::string path = dir / "a";
          const std::size_t flip = path.size() - 1;
          path.resize(path.size() + 8);
          std::vector<Json> opened;
          int other = 0;
          {
            Meddler meddler([&p = path[flip]](long turn) { std::atomic_ref<char>(p).store(turn % 2 ? 'b' : 'a'); });
            for (int i = 0; i < kCalls; i++) {
              if (i % 10 == 0) meddler.wait();
              snprintf(path.data() + flip + 1, 8, "%d", i);
              const int fd = static_cast<int>(check(open(path.c_str(), O_RDONLY), "open"));
              struct stat st {};
              check(fstat(fd, &st), "fstat");
              char link[4096];
              const auto n = static_cast<std::size_t>(
                  check(readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), link, sizeof link), "readlink"));
              opened.push_back({{"path", std::string(link, n)}, {"inode", std::to_string(st.st_ino)}, {"fd", fd}});
              other += link[flip] == 'b';
              close(fd);
            }
          }
          t["opened"] = opened;
          t["other"] = other;
        },
        &truth);
    REQUIRE(events.size() == kCalls);
    int wrong = 0;
    for (std::size_t i = 0; i < kCalls; i++) {
      const Json& e = events[i];
      for (const char* key : {"path", "inode", "fd"}) wrong += e[key] != truth["opened"][i][key];
      wrong += e["src"] != src_of_success(tier);
      if (tier != "tp") wrong += e["requested"] != e["path"];  // the kernel's copy
    }
    CHECK(wrong == 0);
    // The race was real: both files were opened.
    CHECK(truth["other"].get<int>() > 0);
    CHECK(truth["other"].get<int>() < kCalls);
  }
}

TEST_CASE("a thread that flips a byte of a path that is not there: marked as the caller's words, or the kernel's copy") {
  TempDir dir;
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    const auto events = trace("opensnoop", {"--hook", tier, "--buffer", "64M"}, [&](Json&) {
      std::string path = dir / "a-none";
      char& flip = path[dir.path().size() + 1];
      Meddler meddler([&flip](long turn) { std::atomic_ref<char>(flip).store(turn % 2 ? 'b' : 'a'); });
      for (int i = 0; i < kCalls; i++, i % 10 ? void() : meddler.wait())
        if (open(path.c_str(), O_RDONLY) >= 0) throw std::runtime_error("it is there");
    });
    REQUIRE(events.size() == kCalls);
    for (const Json& e : events) {
      const bool good = e["src"] == (tier == "tp" ? "user" : "kernel") && e["error"] == "ENOENT" && e["fd"].is_null() &&
                        (e["path"] == dir / "a-none" || e["path"] == dir / "b-none");
      if (!good) FAIL(e);
    }
  }
}

TEST_CASE("a thread that puts another file behind the descriptor: src=fd admits it, src=kernel does not err") {
  TempDir dir;
  const std::string real = dir.file("real"), decoy = dir.file("decoy");
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    const auto events =
        trace("opensnoop", {"--hook", tier, "--buffer", "64M", "--path", dir / "real", "--path", dir / "decoy"}, [&](Json&) {
          const int bait = static_cast<int>(check(open(decoy.c_str(), O_RDONLY), "open"));
          const int fd = static_cast<int>(check(open(real.c_str(), O_RDONLY), "open"));
          close(fd);
          Meddler meddler([=](long) { dup3(bait, fd, O_CLOEXEC), close(fd); });
          for (int i = 0; i < kCalls; i++) {
            if (i % 10 == 0) meddler.wait();
            const int got = open(real.c_str(), O_RDONLY);
            if (got >= 0) close(got);
          }
        });
    int wrong = 0;
    for (std::size_t i = 2; i < events.size(); i++) {
      const Json& e = events[i];
      const bool honest = e["src"] == src_of_success(tier) || (tier == "tp" && e["src"] == "user");  // user: closed by then
      if (e["errno"] != 0 || !honest) FAIL_CHECK(e);
      wrong += e["path"] != real;
    }
    CHECK(events.size() == kCalls + 2);
    if (tier == "tp")
      WARN("tp: " << wrong << " of " << events.size()
                  << " lines name the decoy that a racing dup3() put there, all marked src=fd");
    else CHECK(wrong == 0);
  }
}

TEST_CASE("descriptors that another thread closes at once: a line each, and a name or the honest mark") {
  TempDir dir;
  const std::string path = dir.file("f");
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    const auto events = trace("opensnoop", {"--hook", tier, "--buffer", "64M"}, [&](Json&) {
      const int first = static_cast<int>(check(dup(0), "dup"));
      close(first);
      Meddler meddler([=](long) { close(first); });
      for (int i = 0; i < kCalls; i++, i % 10 ? void() : meddler.wait())
        close(static_cast<int>(check(open(path.c_str(), O_RDONLY), "open")));
    });
    CHECK(events.size() == kCalls);
    for (const Json& e : events) {
      const bool good =
          e["path"] == path && e["errno"] == 0 && (e["src"] == src_of_success(tier) || (tier == "tp" && e["src"] == "user"));
      if (!good) FAIL_CHECK(e);
    }
  }
}

TEST_CASE("paths in pages that are not resident when the call enters") {
  TempDir dir;
  const std::string path = dir.file("f"), none = dir / "none";
  const auto cold = [&](const std::string& content, bool file_backed) {
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    if (!file_backed) {
      const int mem = static_cast<int>(check(memfd_create("x", 0), "memfd_create"));
      check(write(mem, content.c_str(), content.size() + 1), "write");
      void* p = mmap(nullptr, page, PROT_READ, MAP_PRIVATE, mem, 0);
      return static_cast<const char*>(p);
    }
    const std::string backing = dir / "string";
    const int fd = static_cast<int>(check(open(backing.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600), "open"));
    check(write(fd, content.c_str(), content.size() + 1), "write");
    fsync(fd);
    void* p = mmap(nullptr, page, PROT_READ, MAP_PRIVATE, fd, 0);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    madvise(p, page, MADV_DONTNEED);
    return static_cast<const char*>(p);
  };
  for (const std::string& tier : tiers("opensnoop"))
    for (const bool file_backed : {false, true})
      for (const std::string& name : {path, none}) {
        INFO(tier << file_backed << name);
        const auto events = trace("opensnoop", {"--hook", tier, "--path", path, "--path", none},
                                  [&](Json&) { static_cast<void>(openat(AT_FDCWD, cold(name, file_backed), O_RDONLY) + 1); });
        REQUIRE(events.size() == 1);
        CHECK(events[0]["path"] == name);
        CHECK(events[0]["requested"] == name);
      }
}

TEST_CASE("directories 4,000 bytes deep, and beyond what a path may have") {
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    TempDir dir;
    const std::string name(200, 'd');
    Json truth;
    const auto events = trace(
        "opensnoop", {"--hook", tier, "-f", "O_WRONLY"},
        [&](Json& t) {
          check(chdir(dir.path().c_str()), "chdir");
          std::string full = dir.path();
          Json opened = Json::array();
          for (int depth = 1; depth <= 70; depth++) {  // 14,000 bytes
            check(mkdir(name.c_str(), 0700), "mkdir");
            check(chdir(name.c_str()), "chdir");
            full += "/" + name;
            if (depth == 19 || depth == 25 || depth == 38 || depth == 70) {
              opened.push_back(full + "/f");
              close(static_cast<int>(check(open("f", O_WRONLY | O_CREAT, 0600), "open")));
              opened.push_back(full + "/none");
              static_cast<void>(open("none", O_WRONLY));
            }
          }
          t["opened"] = opened;
          // remove_all() cannot name them.
          for (int depth = 70; depth >= 1; depth--) {
            unlink("f");
            check(chdir(".."), "chdir");
            rmdir(name.c_str());
          }
        },
        &truth);
    REQUIRE(events.size() == 8);
    for (std::size_t i = 0; i < 8; i++) {
      const std::string full = truth["opened"][i], shown = events[i]["path"];
      INFO(full.size() << " bytes, " << shown.size() << " shown");
      CHECK((events[i]["errno"] == 0) == (i % 2 == 0));
      if (full.size() < 8000) {
        CHECK(shown == full);
        CHECK_FALSE(events[i].contains("path_cut"));
      } else {
        CHECK(events[i]["path_cut"] == true);
        CHECK(full.ends_with(shown));
        CHECK(shown.size() > 7000);
      }
      CHECK_FALSE(events[i].contains("path_missing"));
    }
  }
}

TEST_CASE("many short directories: the walk does not end early") {
  for (const std::string& tier : tiers("opensnoop")) {
    TempDir dir;
    std::string full = dir.path();
    for (int i = 0; i < 1500; i++) full += "/d";
    const auto events = trace("opensnoop", {"--hook", tier, "-f", "O_WRONLY"}, [&](Json&) {
      check(chdir(dir.path().c_str()), "chdir");
      for (int i = 0; i < 1500; i++) check(mkdir("d", 0700), "mkdir"), check(chdir("d"), "chdir");
      close(static_cast<int>(check(open("f", O_WRONLY | O_CREAT, 0600), "open")));
      unlink("f");
      for (int i = 0; i < 1500; i++) check(chdir(".."), "chdir"), rmdir("d");
    });
    REQUIRE(events.size() == 1);
    CHECK((events[0]["path"] == full + "/f"));
  }
}

TEST_CASE("hostile names: one line each, text and JSON give the bytes back exactly") {
  TempDir dir;
  std::vector<std::string> names{"new\nline",
                                 "\n",
                                 "\x1b[2J\x1b[31mred",
                                 "\xff\xfe",
                                 "\xc0\xaf",
                                 "a\xe2\x80\xae"
                                 "txt.exe",
                                 "zero\xe2\x80\x8bwidth",
                                 " ",
                                 "  ",
                                 " lead",
                                 "trail ",
                                 "a  b",
                                 "back\\slash",
                                 "\\x41",
                                 "\\n",
                                 "-",
                                 "?",
                                 "tab\tr\r",
                                 "\x7f",
                                 "\xc2\x9b"
                                 "31m",
                                 "'\"`$(id)",
                                 "\xed\xa0\x80",
                                 "x (deleted)",
                                 "\\...+3",
                                 "\\detached:x",
                                 "{\"lost\":9}",
                                 std::string(255, '\n'),
                                 std::string(255, '\xff')};
  std::mt19937 rng(7);
  while (names.size() < 300) {
    std::string s;
    for (std::size_t n = 1 + rng() % 40; s.size() < n;) {
      const auto c = static_cast<char>(1 + rng() % 255);
      if (c != '/') s.push_back(c);
    }
    if (s != "." && s != "..") names.push_back(s);
  }
  for (const std::string& name : names) dir.file(name, "");
  for (const std::string& tier : tiers("opensnoop"))
    for (const bool there : {true, false}) {
      INFO(tier << there);
      const std::string base = there ? dir.path() : dir / "none";
      const auto deed = [&](Json&) {
        for (const std::string& name : names) {
          const int fd = open((base + "/" + name).c_str(), O_RDONLY);
          if (fd >= 0) close(fd);
        }
      };
      const auto events = trace("opensnoop", {"--hook", tier}, deed);
      REQUIRE(events.size() == names.size());
      for (std::size_t i = 0; i < names.size(); i++)
        for (const std::string key : {"path", "requested"}) {
          const Json& e = events[i];
          const std::string got = e.contains(key + "_hex") ? bytes_of(e[key + "_hex"]) : e[key].get<std::string>();
          if (got != base + "/" + names[i]) FAIL_CHECK(key << ": " << hex_of(got) << " for " << hex_of(names[i]));
        }

      Actor actor(deed);
      Tracer tracer("opensnoop", {"--hook", tier, "-p", actor.id(), "-o", "path,requested,pid,path", "--no-heading"});
      Tracer last("opensnoop", {"--hook", tier, "-p", actor.id(), "-o", "pid,path"});
      const std::string pid = actor.id();
      actor.act();
      tracer.stop(), last.stop();
      const auto fields = tracer.lines(), lines = last.lines();
      REQUIRE(fields.size() == names.size());
      REQUIRE(lines.size() == names.size());
      const std::string all = tracer.out() + last.out();
      CHECK(std::none_of(all.begin(), all.end(),
                         [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7F; }));
      CHECK(Json(all).dump().size() > all.size());  // throws where it is no UTF-8
      for (std::size_t i = 0; i < names.size(); i++) {
        std::istringstream in(fields[i]);
        std::string path, requested, id, rest;
        in >> path >> requested >> id >> rest;
        CHECK(id == pid);
        CHECK(rest == "");
        if (unescape(path) != base + "/" + names[i] || requested != path) FAIL_CHECK(fields[i]);
        const std::size_t at = lines[i].find(pid) + pid.size() + 1;
        if (unescape(lines[i].substr(at)) != base + "/" + names[i]) FAIL_CHECK(lines[i]);
      }
    }
}

TEST_CASE("a process that is named like a thread of the kernel, and a real one") {
  TempDir dir;
  const std::string path = dir.file("f");
  for (const std::string& tier : tiers("opensnoop")) {
    const auto events = trace("opensnoop", {"--hook", tier}, [&](Json&) {
      prctl(PR_SET_NAME, "[kworker/0:1]");
      close(open(path.c_str(), O_RDONLY));
    });
    REQUIRE(events.size() == 1);
    CHECK(events[0]["comm"] == "[kworker/0:1]");
    CHECK(events[0]["kthread"] == false);
  }
}

TEST_CASE("processes that are gone before their line is printed") {
  TempDir dir;
  const std::string path = dir.file("f"), name = "gone" + std::to_string(getpid());
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    Actor actor([&](Json& t) {
      prctl(PR_SET_NAME, name.c_str());
      Json pids = Json::array();
      for (int i = 0; i < 200; i++) {
        const pid_t child = fork();
        if (child == 0) {
          if (syscall(SYS_openat, AT_FDCWD, path.c_str(), O_RDONLY, 0) < 0) _exit(1);
          _exit(0);
        }
        waitpid(child, nullptr, 0);
        pids.push_back(child);
      }
      t["pids"] = pids;
      t["pid"] = getpid();
    });
    Tracer tracer("opensnoop", {"-j", "--hook", tier, "-n", name});
    kill(tracer.pid(), SIGSTOP);  // no line is printed before all are gone
    const Json truth = actor.act();
    kill(tracer.pid(), SIGCONT);
    tracer.stop();
    const auto events = tracer.events();
    REQUIRE(events.size() == 200);
    for (std::size_t i = 0; i < 200; i++) {
      const Json& e = events[i];
      const bool good =
          e["pid"] == truth["pids"][i] && e["ppid"] == truth["pid"] && e["path"] == path && e["comm"] == name && e["uid"] == 0;
      if (!good) FAIL_CHECK(e);
    }
  }
}

TEST_CASE("another tracer comes and goes while an open waits: there is a line, or it is told that there may be none") {
  const TempDir dir;
  const std::string fifo = dir / "fifo";
  check(mkfifo(fifo.c_str(), 0600), "mkfifo");
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    Actor actor([&](Json&) { close(static_cast<int>(check(open(fifo.c_str(), O_RDONLY), "open"))); });
    Tracer tracer("opensnoop", {"-j", "--hook", tier, "-p", actor.id()});
    actor.start();
    const std::string inside = std::to_string(SYS_openat) + " ";
    for (std::string at; !at.starts_with(inside);) std::getline(std::ifstream("/proc/" + actor.id() + "/syscall"), at);
    Tracer("opensnoop", {"--hook", tier, "-p", actor.id()}).stop();
    close(static_cast<int>(check(open(fifo.c_str(), O_WRONLY), "open")));
    actor.finish();
    tracer.stop();
    const bool shown = tracer.events().size() == 1, told = tracer.disturbed().replaced > 0;
    CHECK((shown || told));
    if (tier != "fentry") CHECK(shown);
    else CHECK(told);
  }
}

TEST_CASE("conservation: two writers at full speed, received + lost = done") {
  TempDir dir;
  const std::string path = dir.file("f");
  const unsigned long long each = many(100000);
  for (const std::string& tier : tiers("opensnoop"))
    for (const std::string buffer : {"64K", "4M"})
      for (const bool failing : {false, true}) {
        INFO(tier << ", buffer " << buffer << ", failing " << failing);
        const auto writer = [&](Json&) {
          const std::string name = failing ? path + "/none" : path;
          for (unsigned long long i = 0; i < each; i++) {
            const long fd = syscall(SYS_openat, AT_FDCWD, name.c_str(), O_RDONLY, 0);
            if (fd >= 0) close(static_cast<int>(fd));
          }
        };
        Actor a(writer), b(writer);
        Tracer tracer("opensnoop", {"-j", "-o", "pid,path,err", "--hook", tier, "--buffer", buffer, "-p", a.id() + "," + b.id()});
        a.start(), b.start();
        a.finish(), b.finish();
        tracer.stop();
        CHECK(tracer.status() == 0);
        const auto events = tracer.events();
        const unsigned long long lost = tracer.lost();
        check_all_told(tracer, 2 * each);
        std::smatch m;
        const std::string err = tracer.err();
        const bool says = std::regex_search(err, m, std::regex("([0-9]+) events shown, ([0-9]+) lost"));
        CHECK(says == (lost > 0));
        if (says) {
          CHECK(m[1] == std::to_string(events.size()));
          CHECK(m[2] == std::to_string(lost));
        }
        for (const Json& e : events)
          if (e["path"] != (failing ? path + "/none" : path)) FAIL(e);
      }
}

TEST_CASE("openat2: flags that are changed while the open waits are those that the kernel acted on") {
  TempDir dir;
  const std::string fifo = dir / "fifo", none = dir / "none";
  check(mkfifo(fifo.c_str(), 0600), "mkfifo");
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    const auto deed = [&](Json&) {
      static open_how how;
      how = {.flags = O_WRONLY | O_APPEND, .mode = 0, .resolve = 0};
      std::thread other([&] {
        for (std::string id, comm, state; state != "S"; sched_yield())
          std::ifstream("/proc/" + std::to_string(getpid()) + "/stat") >> id >> comm >> state;
        std::atomic_ref(how.flags).store(O_RDONLY);  // it waits for a reader: the kernel has its copy
        const int fd = static_cast<int>(check(open(fifo.c_str(), O_RDONLY | O_NONBLOCK), "open"));
        char c;
        while (read(fd, &c, 1) != 1) sched_yield();
        close(fd);
      });
      const int fd = static_cast<int>(check(syscall(SYS_openat2, AT_FDCWD, fifo.c_str(), &how, sizeof how), "openat2"));
      check(write(fd, "x", 1), "write");
      other.join();
      how.flags = O_WRONLY;
      static_cast<void>(syscall(SYS_openat2, AT_FDCWD, none.c_str(), &how, sizeof how));
    };
    const auto events = trace("opensnoop", {"--hook", tier, "-w", "-f", "O_APPEND", "-f", "O_WRONLY", "--path", dir / ""}, deed);
    int waited = 0;
    for (const Json& e : events)
      if (e["via"] == "openat2" && e["path"] == fifo) {
        waited++;
        CHECK(e["flags"] == "O_WRONLY|O_APPEND");
      }
    CHECK(waited == 1);
    CHECK(events.back()["path"] == none);
  }
}

namespace {

// From now on the thread's calls `nr` have this action. Returns what seccomp(2) does.
int answer(long nr, unsigned action, unsigned flags = 0) {
  const sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(nr), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, action),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{std::size(code), const_cast<sock_filter*>(code)};
  check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
  return static_cast<int>(check(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program), "seccomp"));
}

int open_by(const std::string& path, int flags = O_RDONLY) {
  return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path.c_str(), flags, 0));
}

void put_behind(int fd, const std::string& path) {
  const int opened = static_cast<int>(check(open(path.c_str(), O_RDONLY), "open"));
  if (opened == fd) return;
  check(dup2(opened, fd), "dup2");
  close(opened);
}

// A supervisor that answers each openat(2) with `fd`.
void supervised(const std::string& asked, const std::function<int()>& fd) {
  std::atomic<int> listener{-1};
  std::thread supervisor([&] {
    while (listener < 0) sched_yield();
    seccomp_notif n{};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n) != 0) return;
    seccomp_notif_resp answer{};
    answer.id = n.id;
    answer.val = fd();
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  });
  // Its number stays high: the descriptors in question are the lowest.
  const int fd_of_listener = answer(SYS_openat, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);
  listener = fcntl(fd_of_listener, F_DUPFD, 300);
  close(fd_of_listener);
  open_by(asked);
  supervisor.join();
}

#if defined(__x86_64__)
// A tracer that answers openat(2) with `fd` instead of letting it be made, and lets go on by `request`.
void emulated(const std::string& asked, int fd, int request) {
  int to_tracer[2], to_traced[2];
  check(pipe(to_tracer), "pipe"), check(pipe(to_traced), "pipe");
  const pid_t traced = getpid(), tracer = fork();
  if (tracer == 0) {
    char c = 0;
    int status = 0;
    if (read(to_tracer[0], &c, 1) != 1 || ptrace(PTRACE_SEIZE, traced, 0, PTRACE_O_TRACESYSGOOD) != 0 ||
        ptrace(PTRACE_INTERRUPT, traced, 0, 0) != 0)
      _exit(1);
    waitpid(traced, &status, __WALL);
    if (write(to_traced[1], &c, 1) != 1) _exit(1);
    user_regs_struct regs{};
    do {  // until getppid(2) has been made
      ptrace(PTRACE_SYSCALL, traced, 0, 0), waitpid(traced, &status, __WALL), ptrace(PTRACE_GETREGS, traced, 0, &regs);
    } while (regs.orig_rax != SYS_getppid || static_cast<long>(regs.rax) == -ENOSYS);
    ptrace(PTRACE_SYSEMU, traced, 0, 0), waitpid(traced, &status, __WALL), ptrace(PTRACE_GETREGS, traced, 0, &regs);
    if (regs.orig_rax != SYS_openat) _exit(2);
    regs.rax = static_cast<unsigned long long>(fd);
    ptrace(PTRACE_SETREGS, traced, 0, &regs);
    ptrace(static_cast<__ptrace_request>(request), traced, 0, 0);
    if (request == PTRACE_SYSEMU) waitpid(traced, &status, __WALL), ptrace(PTRACE_CONT, traced, 0, 0);
    _exit(0);
  }
  prctl(PR_SET_PTRACER, tracer, 0, 0, 0);
  check(write(to_tracer[1], "x", 1), "write");
  char c;
  check(read(to_traced[0], &c, 1), "read");
  close(to_tracer[0]), close(to_tracer[1]), close(to_traced[0]), close(to_traced[1]);
  syscall(SYS_getppid);
  open_by(asked);
  syscall(SYS_gettid);  // this one is not made either, by PTRACE_SYSEMU
  int status = 0;
  check(waitpid(tracer, &status, 0), "waitpid");
  if (status != 0) throw std::runtime_error("the tracer ended with " + std::to_string(status));
}
#endif

}  // namespace

TEST_CASE("an open that is answered and never made names no file as opened") {
  const TempDir dir;
  const std::string asked = dir.file("asked"), other = dir.file("other");
  check(chmod(dir.path().c_str(), 0755), "chmod");
  const auto trapped = [](long nr) {
    struct sigaction nothing {};
    nothing.sa_handler = [](int) {};
    check(sigaction(SIGSYS, &nothing, nullptr), "sigaction");
    answer(nr, SECCOMP_RET_TRAP);
  };
  const std::vector<std::pair<const char*, std::function<void(Json&)>>> ways = {
    {"a filter says 0",
     [&](Json&) {
       put_behind(0, other);
       answer(SYS_openat, SECCOMP_RET_ERRNO | 0);
       check(open_by(asked), "openat");
     }},
    {"a filter says 0, which was the last to be opened",
     [&](Json&) {
       close(0);
       put_behind(0, other);
       answer(SYS_openat, SECCOMP_RET_ERRNO | 0);
       check(open_by(asked), "openat");
     }},
    {"a filter says 0, in a process of several threads",
     [&](Json&) {
       put_behind(0, other);
       std::thread([&] {
         answer(SYS_openat, SECCOMP_RET_ERRNO | 0);
         check(open_by(asked), "openat");
       }).join();
     }},
    {"a filter says 0, and nothing is behind that",
     [&](Json&) {
       close(0);
       answer(SYS_openat, SECCOMP_RET_ERRNO | 0);
       check(open_by(asked), "openat");
     }},
    {"a filter says 0 to openat2",
     [&](Json&) {
       put_behind(0, other);
       answer(SYS_openat2, SECCOMP_RET_ERRNO | 0);
       static const open_how how{};
       check(syscall(SYS_openat2, AT_FDCWD, asked.c_str(), &how, sizeof how), "openat2");
     }},
    {"a signal instead",
     [&](Json&) {
       put_behind(static_cast<int>(SYS_openat), other);
       trapped(SYS_openat);
       open_by(asked);
     }},
#ifdef SYS_open
    {"a signal instead of open(2)",
     [&](Json&) {
       put_behind(static_cast<int>(SYS_open), other);
       trapped(SYS_open);
       static_cast<void>(syscall(SYS_open, asked.c_str(), O_RDONLY));
     }},
#endif
    {"a supervisor names an old descriptor",
     [&](Json&) {
       const int fd = static_cast<int>(check(open(other.c_str(), O_RDONLY), "open"));
       check(open("/dev/null", O_RDONLY), "open");
       supervised(asked, [&] { return fd; });
     }},
    {"a supervisor names the last descriptor", [&](Json&) { supervised(asked, [&] { return open(other.c_str(), O_RDONLY); }); }},
    {"a supervisor names one that was opened otherwise",
     [&](Json&) { supervised(asked, [&] { return open(asked.c_str(), O_RDONLY | O_NONBLOCK); }); }},
#if defined(__x86_64__)
    {"a tracer that goes on", [&](Json&) { put_behind(0, other), emulated(asked, 0, PTRACE_SYSEMU); }},
    {"a tracer that lets go on", [&](Json&) { put_behind(0, other), emulated(asked, 0, PTRACE_CONT); }},
    {"a tracer that is gone", [&](Json&) { put_behind(0, other), emulated(asked, 0, PTRACE_DETACH); }},
#endif
  };
  std::vector<std::function<void(Json&)>> deeds;
  for (const auto& way : ways)
    deeds.push_back([&](Json& t) {
      check(prctl(PR_SET_DUMPABLE, 1), "PR_SET_DUMPABLE");
      way.second(t);
    });
  for (const std::string& tier : tiers("opensnoop"))
    for (const bool failed : {false, true}) {
      INFO(tier << (failed ? " -x" : ""));
      Args args{"-j", "-e", "--hook", tier, "--path", dir / ""};
      if (failed) args.emplace_back("-x");
      const auto all = trace_each("opensnoop", args, deeds, [](pid_t) {});
      for (std::size_t i = 0; i < ways.size(); i++) {
        INFO(ways[i].first << ": " << Json(all[i].events).dump());
        unsigned lines = 0;
        for (const Json& e : all[i].events) {
          if (e["via"] == (std::string(ways[i].first).find("openat2") != std::string::npos   ? "openat2"
                           : std::string(ways[i].first).find("open(2)") != std::string::npos ? "open"
                                                                                             : "openat") &&
              e["requested"] == asked && e["errno"].is_null())
            lines++;
          else CHECK(e["requested"] == e["path"]);
        }
        CHECK(lines == (tier == "tp" ? 1 : 0));
      }
    }
}

TEST_CASE("opens that are made under filters or a tracer are told as such") {
  const TempDir dir;
  const std::string file = dir.file("file"), link = dir / "link", named = dir / "named";
  check(mkdir((dir / "d").c_str(), 0755), "mkdir");
  check(symlink("file", link.c_str()), "symlink");
  const auto opens = [&](bool links) {
    const int flags[] = {O_RDONLY,
                         O_RDWR,
                         O_RDONLY | O_NONBLOCK,
                         O_RDWR | O_APPEND,
                         O_PATH,
                         O_WRONLY | O_TRUNC,
                         O_RDONLY | O_CLOEXEC | O_NOFOLLOW};
    for (const int f : flags) check(open_by(file, f), "open"), check(open_by(dir / ".//d/../file", f), "open");
    for (const char* d : {"", "/", "/.", "/d", "/d/", "/d//", "/d/.", "/d/.."})
      check(open_by(dir.path() + d, O_RDONLY | O_DIRECTORY), "open");
    check(chdir((dir / "d").c_str()), "chdir");
    check(open_by("..", O_PATH), "open");
    check(open_by("../file"), "open");
    const int d = static_cast<int>(check(open_by(dir.path(), O_PATH), "open"));
    check(openat(d, "file", O_RDONLY), "openat");
    close(0);
    check(open_by(file), "open");
    if (links) check(open_by(link), "open"), check(open_by("/proc/self/fd/0"), "open");
  };
  const std::vector<std::function<void(Json&)>> deeds = {
      [&](Json&) { answer(SYS_openat2, SECCOMP_RET_ERRNO | 0), opens(true); },
      [&](Json&) {  // many of them
        for (int i = 0; i < 40; i++) answer(SYS_openat2, SECCOMP_RET_ERRNO | 0);
        opens(false);
      },
      [&](Json&) {  // one that may answer anything
        const int listener = answer(SYS_openat2, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);
        check(dup2(listener, 300), "dup2");
        close(listener);
        opens(false);
      },
      [&](Json&) {
        const pid_t traced = getpid(), tracer = fork();
        if (tracer == 0) {
          if (ptrace(PTRACE_SEIZE, traced, 0, 0) != 0) _exit(1);
          waitpid(traced, nullptr, __WALL);
          _exit(0);
        }
        for (std::string line, key, id; id.empty() || id == "0"; sched_yield())
          for (std::ifstream status("/proc/self/status"); std::getline(status, line);)
            if (line.starts_with("TracerPid:")) id = line.substr(line.find_first_not_of("\t ", 10));
        opens(false);
      },
  };
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    const auto all = trace_each("opensnoop", {"-j", "-e", "--hook", tier, "--path", dir.path()}, deeds, [](pid_t) {});
    for (std::size_t i = 0; i < deeds.size(); i++) {
      INFO("deed " << i);
      CHECK(all[i].events.size() == (i ? 27 : 29));
      for (const Json& e : all[i].events) {
        INFO(e);
        CHECK(e["errno"] == 0);
      }
    }
  }
}

TEST_CASE("options: --path does not lose a file below directories whose names are longer than what is kept of a path") {
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    TempDir dir;
    const std::string name(250, 'd');
    const auto events = trace("opensnoop", {"--hook", tier, "--path", dir / "", "-f", "O_WRONLY"}, [&](Json&) {
      check(chdir(dir.path().c_str()), "chdir");
      for (int i = 0; i < 40; i++) check(mkdir(name.c_str(), 0700), "mkdir"), check(chdir(name.c_str()), "chdir");
      close(static_cast<int>(check(open("f", O_WRONLY | O_CREAT, 0600), "open")));
      static_cast<void>(open("none", O_WRONLY));
      unlink("f");
      for (int i = 0; i < 40; i++) check(chdir(".."), "chdir"), rmdir(name.c_str());
    });
    REQUIRE(events.size() == 2);
    for (const Json& e : events) CHECK(e.value("path_cut", false));
  }
}

TEST_CASE("options: --path does not lose a file of a mount that is nowhere") {
  TempDir dir;
  dir.file("f");
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    const auto events = trace("opensnoop", {"--hook", tier, "--path", dir / "f", "--path", dir / "none"}, [&](Json&) {
      const int fd =
          static_cast<int>(check(syscall(SYS_open_tree, AT_FDCWD, dir.path().c_str(), 1 /* OPEN_TREE_CLONE */), "open_tree"));
      close(static_cast<int>(check(openat(fd, "f", O_RDONLY), "openat")));
      static_cast<void>(openat(fd, ".//none", O_RDONLY));
    });
    REQUIRE(events.size() == 2);
    CHECK(events[0]["path"] == "/f");
    CHECK(events[1]["path"] == "/none");
    for (const Json& e : events) CHECK(e.value("path_detached", false));
  }
}

TEST_CASE(
    "options: --path finds a file that is itself the root of a mount that is nowhere, by its place in the root's file system") {
  struct stat root {
  }, etc{};
  check(stat("/", &root), "stat"), check(stat("/etc/passwd", &etc), "stat");
  if (root.st_dev != etc.st_dev) CANNOT_TEST("/etc/passwd is on another file system than /");
  const auto deed = [](Json&) {
    for (const char* path : {"/etc/passwd", "/etc"}) {
      const int fd = static_cast<int>(check(syscall(SYS_open_tree, AT_FDCWD, path, 1 /* OPEN_TREE_CLONE */), "open_tree"));
      close(static_cast<int>(check(open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_RDONLY), "open")));
      if (std::string(path) == "/etc") close(static_cast<int>(check(openat(fd, "passwd", O_RDONLY), "openat")));
    }
  };
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    const auto shown = [&](const char* prefix) {
      std::string all;
      for (const Json& e : trace("opensnoop", {"--hook", tier, "--path", prefix}, deed))
        all += e["path"].get<std::string>() + " ";
      return all;
    };
    CHECK(shown("/etc/passwd") == "/ /passwd ");
    CHECK(shown("/etc") == "/ / /passwd ");
    CHECK(shown("/etc/passwords") == "");
    CHECK(shown("/usr/") == "");
  }
}
