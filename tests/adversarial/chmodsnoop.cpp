// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Callers that cheat.
#include "chmod.h"
#include "net.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <cstring>
#include <map>

using namespace harness;

namespace {

std::string source(const std::string& tier, const TempDir& dir) { return tells_inode(tier, dir.path()) ? "kernel" : "user"; }

// openat(2) by io_uring. Returns the descriptor or -errno; -ENOSYS if there is no io_uring.
int uring_openat(const char* path, int flags, mode_t mode) {
  io_uring_params params{};
  const int ring = static_cast<int>(syscall(SYS_io_uring_setup, 1, &params));
  if (ring < 0) return -ENOSYS;
  const auto map = [ring](std::size_t size, off_t what) {
    void* p = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, what);
    if (p == MAP_FAILED) throw std::runtime_error("mmap");
    return static_cast<char*>(p);
  };
  char* sq = map(params.sq_off.array + params.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
  char* cq = map(params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe), IORING_OFF_CQ_RING);
  io_uring_sqe sqe{};
  sqe.opcode = IORING_OP_OPENAT;
  sqe.fd = AT_FDCWD;
  sqe.addr = reinterpret_cast<unsigned long>(path);
  sqe.open_flags = static_cast<unsigned>(flags);
  sqe.len = mode;
  std::memcpy(map(sizeof sqe, IORING_OFF_SQES), &sqe, sizeof sqe);
  std::atomic_ref<unsigned>(*reinterpret_cast<unsigned*>(sq + params.sq_off.tail)).store(1);
  check(syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, nullptr, 0), "io_uring_enter");
  return reinterpret_cast<io_uring_cqe*>(cq + params.cq_off.cqes)->res;
}

}  // namespace

TEST_CASE("a setuid file made by io_uring") {
  for (const std::string& tier : tiers("chmodsnoop")) {
    INFO(tier);
    const TempDir dir;
    const std::string path = dir / "file";
    Json truth;
    const auto events = trace(
        "chmodsnoop", {"--hook", tier}, [&](Json& t) { t = uring_openat(path.c_str(), O_CREAT | O_WRONLY, 04755); }, &truth);
    if (truth == -ENOSYS) CANNOT_TEST("this kernel has no io_uring");
    REQUIRE(truth >= 0);
    REQUIRE(events.size() == 1);
    CHECK(events[0]["via"] == "io_uring");
    CHECK(events[0]["src"] == "kernel");
    CHECK(events[0]["path"] == path);
    CHECK(events[0]["new"] == "4755");
    CHECK(events[0]["mode"] == "4755");
    CHECK(events[0]["risk"] == "setuid");
    CHECK(events[0]["created"] == true);
  }
}

TEST_CASE("a thread flips the path while the kernel copies it") {
  for (const std::string& tier : tiers("chmodsnoop")) {
    INFO(tier);
    constexpr int kPairs = 3000;
    const TempDir dir;
    for (int i = 0; i < kPairs; i++)
      for (const char* side : {"a", "b"}) dir.file(std::to_string(i) + side, "", 0600);
    const auto name = [&](int i, char side) { return dir / (std::to_string(i) + side); };
    Json truth;
    const auto events = trace(
        "chmodsnoop", {"--hook", tier},
        [&](Json& t) {
          std::string path = name(0, 'a');
          std::atomic<char*> flipped{path.data() + path.size() - 1};
          std::atomic<bool> stop{false};
          std::atomic<unsigned> flips{0};
          std::thread flipper([&] {
            while (!stop) {
              std::atomic_ref<char>(*flipped.load()).fetch_xor('a' ^ 'b');
              flips++;
            }
          });
          std::vector<std::string> paths;
          for (int i = 0; i < kPairs; i++) paths.push_back(name(i, 'a'));
          for (std::string& p : paths) {
            flipped = p.data() + p.size() - 1;
            for (const unsigned before = flips; flips == before;) sched_yield();
            check(chmod(p.c_str(), 0644), "chmod");
          }
          stop = true;
          flipper.join();
          for (int i = 0; i < kPairs; i++) {  // each pair has one that was changed
            struct stat st {};
            check(stat(name(i, 'a').c_str(), &st), "stat");
            t["changed"].push_back(name(i, (st.st_mode & 0777) == 0644 ? 'a' : 'b'));
          }
        },
        &truth);
    REQUIRE(events.size() == kPairs);
    int b = 0, wrong = 0, user = 0;
    for (int i = 0; i < kPairs; i++) {
      const std::string changed = truth["changed"][static_cast<std::size_t>(i)],
                        shown = events[static_cast<std::size_t>(i)]["path"];
      b += changed.back() == 'b';
      if (events[static_cast<std::size_t>(i)]["src"] == "user") user++;
      else wrong += shown != changed;
    }
    INFO(b << " of the changes were of b");
    CHECK(b > 0);  // the race was on
    CHECK(b < kPairs);
    CHECK(wrong == 0);
    CHECK(user == (source(tier, dir) == "kernel" ? 0 : kPairs));
  }
}

TEST_CASE("a thread swaps the descriptor of fchmod") {
  for (const std::string& tier : tiers("chmodsnoop")) {
    INFO(tier);
    constexpr int kRounds = 3000;
    const TempDir dir;
    const std::string a = dir.file("a"), b = dir.file("b");
    Json truth;
    const auto events = trace(
        "chmodsnoop", {"--hook", tier},
        [&](Json& t) {
          const int fa = static_cast<int>(check(open(a.c_str(), O_RDONLY), "open"));
          const int fb = static_cast<int>(check(open(b.c_str(), O_RDONLY), "open"));
          check(dup2(fa, 100), "dup2");
          std::atomic<bool> stop{false};
          std::thread swapper([&] {
            while (!stop) dup2(fb, 100), dup2(fa, 100);
          });
          const auto mode = [](int fd) {
            struct stat st {};
            check(fstat(fd, &st), "fstat");
            return st.st_mode & 07777;
          };
          for (unsigned i = 0; i < kRounds; i++) {
            const unsigned m = 0400 | (i & 0377);
            const unsigned before[] = {mode(fa), mode(fb)};
            check(fchmod(100, m), "fchmod");
            const bool is_a = mode(fa) != before[0], is_b = mode(fb) != before[1];
            t["changed"].push_back(is_a == is_b ? "" : is_a ? a : b);  // "": both had that mode
          }
          stop = true;
          swapper.join();
        },
        &truth);
    REQUIRE(events.size() == kRounds);
    std::map<std::string, int> changed;
    int wrong = 0;
    for (std::size_t i = 0; i < kRounds; i++) {
      const std::string file = truth["changed"][i];
      changed[file]++;
      if (events[i]["src"] == "kernel") wrong += !file.empty() && events[i]["path"] != file;
      else CHECK(!tells_inode(tier, dir.path()));
    }
    CHECK(changed[a] > 0);
    CHECK(changed[b] > 0);
    CHECK(wrong == 0);
  }
}

// Creations of `dir`/N, for N below `count`, by make(path), while another thread meddles.
template <class Make, class Meddle> std::vector<Json> made_by_racers(const std::string& tier, const TempDir& dir, unsigned count,
                                                                     Make make, Meddle meddle, Json* truth = nullptr) {
  return trace(
      "chmodsnoop", {"--hook", tier},
      [&](Json& t) {
        umask(0);
        {
          const Meddler meddler(meddle);
          meddler.wait();
          for (unsigned i = 0; i < count; i++) make(dir / std::to_string(i));
        }
        for (unsigned i = 0; i < count; i++) {
          struct stat st {};
          check(stat((dir / std::to_string(i)).c_str(), &st), "stat");
          t["modes"].push_back(st.st_mode & 07777);
        }
      },
      truth);
}

// By path: how many lines there are, that what they say of the file is so, and that they do not guess.
std::map<std::string, Json> by_path(const std::vector<Json>& events) {
  std::map<std::string, Json> all;
  for (const Json& e : events) CHECK(all.emplace(e["path"].get<std::string>(), e).second);
  return all;
}

TEST_CASE("a thread closes the descriptor of a new file, or puts another in its place, before the call returns") {
  for (const std::string& tier : tiers("chmodsnoop"))
    for (const bool replaced : {false, true}) {
      INFO(tier << (replaced ? ": dup3" : ": close"));
      const TempDir dir;
      const unsigned count = many(3000);
      const std::string other = dir.file("other");
      if (!tells_inode(tier, dir.path())) CANNOT_TEST("this kernel does not tell of new files here");
      const auto events = made_by_racers(
          tier, dir, count,
          [](const std::string& path) { close(static_cast<int>(check(open(path.c_str(), O_CREAT | O_WRONLY, 04755), "open"))); },
          [&, fd = open(other.c_str(), O_RDONLY)](long turn) {
            const int victim = fd + 1 + static_cast<int>(turn % 3);
            if (replaced) dup3(fd, victim, 0);
            close(victim);
          });
      CHECK(events.size() == count);
      const auto files = by_path(events);
      for (unsigned i = 0; i < count; i++) {
        const auto found = files.find(dir / std::to_string(i));
        if (found == files.end()) FAIL("no line for " << i);
        const Json& e = found->second;
        if (e["new"] != "4755" || e["created"] != true || e["src"] != "kernel" || !e["old"].is_null()) FAIL(e.dump());
      }
    }
}

TEST_CASE("a thread flips the umask: the mode that a new file or directory got") {
  for (const std::string& tier : tiers("chmodsnoop")) {
    INFO(tier);
    const TempDir dir;
    const unsigned count = many(3000);
    Json truth;
    const auto events = made_by_racers(
        tier, dir, count,
        [](const std::string& path) {
          check(path.back() % 2 ? mkdir(path.c_str(), 0777) : mknod(path.c_str(), S_IFREG | 0666, 0), "make");
        },
        [](long turn) { umask(turn % 2 ? 077 : 0); }, &truth);
    const auto files = by_path(events);
    const bool told = tells_inode(tier, dir.path());
    unsigned open_to_all = 0;
    for (unsigned i = 0; i < count; i++) {
      const unsigned mode = truth["modes"][i];
      const auto found = files.find(dir / std::to_string(i));
      open_to_all += mode & 2;
      if (found == files.end()) {
        CHECK((mode & 2) == 0);  // only those need a line
        continue;
      }
      if (told) CHECK(std::stoul(found->second["new"].get<std::string>(), nullptr, 8) == mode);
      else CHECK(found->second["new"].is_null());
    }
    CHECK(open_to_all > 0);
    CHECK(open_to_all < 2 * count);
  }
}

TEST_CASE("an open that fails when it has made the file") {
  for (const std::string& tier : tiers("chmodsnoop")) {
    INFO(tier);
    const TempDir dir;
    Json truth;
    const auto events = trace(
        "chmodsnoop", {"--hook", tier},
        [&](Json& t) {
          umask(0);
          check(unshare(CLONE_NEWNS), "unshare");
          check(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount private");
          check(mount("none", dir.path().c_str(), "ramfs", 0, nullptr), "mount");
          t["opened"] = open((dir / "x").c_str(), O_CREAT | O_WRONLY | O_DIRECT, 04777);
          t["exists"] = access((dir / "x").c_str(), F_OK) == 0;
          check(open((dir / "x").c_str(), O_CREAT | O_WRONLY | O_DIRECT, 04777) + 1, "open");  // it exists: no creation
          check(open((dir / "no/x").c_str(), O_CREAT | O_WRONLY, 04777) + 1, "open");
        },
        &truth);
    if (truth["opened"] != -1 || truth["exists"] != true) CANNOT_TEST("an open with O_DIRECT does not fail here");
    const bool told = tier == "fentry" || tells_inode(tier, "/dev/shm");
    INFO(Json(events).dump());
    REQUIRE(events.size() == (told ? 1 : 2));
    const Json& e = events[0];
    CHECK(e["error"] == "EINVAL");
    CHECK(e["path"] == dir / "x");
    CHECK(e["new"] == (told ? Json("4777") : Json()));
    CHECK(e["created"] == (told ? Json(true) : Json()));
    CHECK(e["risk"] == "setuid,world-writable");
    CHECK(e.contains("risk_unsure") == !told);
    CHECK(e["src"] == (told ? "kernel" : "user"));
  }
}

TEST_CASE("seccomp answers with success: nothing is said to have happened") {
  for (const std::string& tier : tiers("chmodsnoop")) {
    INFO(tier);
    const TempDir dir;
    const std::string path = dir.file("file", "x", 0600), made = dir / "made";
    const auto events = trace("chmodsnoop", {"--hook", tier}, [&](Json&) {
      umask(0);
      close(0);
      check(open((dir / "stdin").c_str(), O_CREAT | O_RDWR, 0640), "open");
      const sock_filter code[] = {
          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fchmodat, 3, 0),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdirat, 2, 0),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 1, 0),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 0),
      };
      const sock_fprog program{std::size(code), const_cast<sock_filter*>(code)};
      check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
      check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), "PR_SET_SECCOMP");
      check(syscall(SYS_fchmodat, AT_FDCWD, path.c_str(), 04777), "fchmodat");
      check(syscall(SYS_mkdirat, AT_FDCWD, made.c_str(), 0777), "mkdirat");
      check(syscall(SYS_openat, AT_FDCWD, made.c_str(), O_CREAT | O_WRONLY, 04777), "openat");
    });
    if (tier == "fentry") {
      CHECK(events.empty());
      continue;
    }
    REQUIRE(events.size() == 2);
    for (const Json& e : events) {
      CHECK(e["new"].is_null());
      CHECK(e["src"] == "user");
      CHECK(e["risk_unsure"] == true);
      CHECK(e["inode"].is_null());
    }
    CHECK(events[0]["path"] == path);
    CHECK(events[0]["created"] == false);
    CHECK(events[1]["path"] == made);
    CHECK(events[1]["created"].is_null());
  }
}

// An open makes a file, and waits for the permission to open it until its process is killed.
TEST_CASE("a process that is killed while it opens the file that it has made") {
  for (const std::string& tier : tiers("chmodsnoop"))
    for (const bool other : {false, true}) {  // another thread's exit kills it
      INFO(tier << (other ? ", exit_group" : ", SIGKILL"));
      const TempDir dir;
      const std::string path = dir / "made";
      const int fd = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY);
      if (fd < 0 || fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN_PERM | FAN_EVENT_ON_CHILD, AT_FDCWD, dir.path().c_str()) != 0)
        CANNOT_TEST("no fanotify");
      Tracer tracer("chmodsnoop", {"-j", "-e", "--hook", tier, "--path", dir / ""});
      int go[2];
      check(pipe(go), "pipe");
      const pid_t pid = fork();
      if (pid == 0) {
        umask(0);
        std::thread exits;
        if (other)
          exits = std::thread([&] {
            char c;
            static_cast<void>(!read(go[0], &c, 1));
            _exit(0);
          });
        open(path.c_str(), O_CREAT | O_WRONLY, 04777);
        _exit(1);
      }
      fanotify_event_metadata m{};
      check(read(fd, &m, sizeof m), "read");
      close(m.fd);
      if (other) check(write(go[1], "x", 1), "write");
      else kill(pid, SIGKILL);
      int status = 0;
      check(waitpid(pid, &status, 0), "waitpid");
      close(fd), close(go[0]), close(go[1]);
      CHECK(status == (other ? 0 : SIGKILL));
      struct stat st {};
      REQUIRE(stat(path.c_str(), &st) == 0);
      REQUIRE((st.st_mode & 07777) == 04777);
      tracer.stop();
      const auto events = tracer.events();
      INFO(Json(events).dump());
      REQUIRE(events.size() == 1);
      CHECK(events[0]["pid"] == pid);
      CHECK(events[0]["path"] == path);
      CHECK(events[0]["error"] == "EINTR");
      CHECK(events[0]["risk"] == "setuid,world-writable");
      const bool told = tells_inode(tier, dir.path());
      CHECK(events[0]["new"] == (told ? Json("4777") : Json()));
      CHECK(events[0]["created"] == (told ? Json(true) : Json()));
    }
}

// The umask does not count then.
TEST_CASE("a default access control list of the directory gives what the umask would take") {
  for (const std::string& tier : tiers("chmodsnoop")) {
    INFO(tier);
    const TempDir dir;
    const std::string open_to_all = dir / "open", shut = dir / "shut";
    // struct posix_acl_xattr_header, then tag, permissions and id of each entry: owner, group, others
    const auto set = [](const std::string& d, unsigned char others) {
      check(mkdir(d.c_str(), 0755), "mkdir");
      const unsigned char acl[] = {2, 0, 0,   0,   1,   0,   7,  0, 255,    255, 255, 255, 4,   0,
                                   7, 0, 255, 255, 255, 255, 32, 0, others, 0,   255, 255, 255, 255};
      return setxattr(d.c_str(), "system.posix_acl_default", acl, sizeof acl, 0) == 0;
    };
    if (!set(open_to_all, 7) || !set(shut, 0)) CANNOT_TEST("no access control lists here");
    const bool told = tells_inode(tier, dir.path());
    std::vector<std::string> made;
    const auto events = trace("chmodsnoop", {"--hook", tier}, [&](Json&) {
      for (const std::string& d : {open_to_all, shut}) {
        umask(d == shut ? 0 : 077);
        close(static_cast<int>(check(open((d + "/open").c_str(), O_CREAT | O_RDWR, 0666), "open")));
        check(mknod((d + "/mknod").c_str(), S_IFREG | 0666, 0), "mknod");
        check(mkdir((d + "/mkdir").c_str(), 0777), "mkdir");
        if (have_io_uring()) check(uring_openat((d + "/uring").c_str(), O_CREAT | O_RDWR, 0666), "io_uring");
      }
    });
    const auto lines = by_path(events);
    for (const char* how : {"open", "mknod", "mkdir", "uring"}) {
      if (std::string(how) == "uring" && !have_io_uring()) continue;
      INFO(how << Json(events).dump());
      struct stat st {};
      check(stat((open_to_all + "/" + how).c_str(), &st), "stat");
      REQUIRE((st.st_mode & 0777) == (std::string(how) == "mkdir" ? 0777 : 0666));
      check(stat((shut + "/" + how).c_str(), &st), "stat");
      REQUIRE((st.st_mode & 2) == 0);
      const auto found = lines.find(open_to_all + "/" + how);
      if (told || how == std::string("open") || how == std::string("uring")) {
        REQUIRE(found != lines.end());
        CHECK(found->second["new"] == (std::string(how) == "mkdir" ? "0777" : "0666"));
        CHECK(lines.count(shut + "/" + how) == 0);
      }
    }
  }
}

TEST_CASE("hostile names") {
  const std::string names[] = {"new\nline", "\x1b[2J", "\xff\xfe", "\u202egnp.exe", " blank  blank ", "back\\slash",
                               "tab\t",     "-",       "?"};
  for (const std::string& tier : tiers("chmodsnoop")) {
    INFO(tier);
    const TempDir dir;
    for (const std::string& n : names) dir.file(n);
    const auto deeds = [&](Json&) {
      for (const std::string& n : names) check(chmod((dir / n).c_str(), 0600), "chmod");
    };
    const auto events = trace("chmodsnoop", {"--hook", tier}, deeds);
    REQUIRE(events.size() == std::size(names));
    for (std::size_t i = 0; i < events.size(); i++) {
      if (names[i] == "\xff\xfe") {
        CHECK(events[i]["path"] == dir / "\uFFFD\uFFFD");
        CHECK(events[i]["path_hex"].get<std::string>().ends_with("fffe"));
      } else {
        CHECK(events[i]["path"] == dir / names[i]);
      }
      CHECK(events[i]["src"] == source(tier, dir));
    }
    Actor actor(deeds);
    Tracer tracer("chmodsnoop", {"--hook", tier, "-p", actor.id(), "-o", "err,path"});
    actor.act();
    tracer.stop();
    const std::string shown[] = {
        "new\\nline", "\\x1b[2J", "\\xff\\xfe", "\\xe2\\x80\\xaegnp.exe", " blank \\x20blank\\x20", "back\\\\slash",
        "tab\\t",     "-",        "?"};
    std::string expected;
    for (const std::string& s : shown) expected += "-       " + (dir / s) + "\n";
    const std::string& out = tracer.out();
    CHECK(out.substr(out.find('\n') + 1) == expected);
  }
}

TEST_CASE("a path in a page that is not resident when the call enters") {
  for (const std::string& tier : tiers("chmodsnoop")) {
    INFO(tier);
    const TempDir dir;
    const std::string path = dir.file("file", "x", 0600), holder = dir.file("holder", path + std::string(1, '\0'));
    const auto events = trace("chmodsnoop", {"--hook", tier}, [&](Json&) {
      const int fd = static_cast<int>(check(open(holder.c_str(), O_RDONLY), "open"));
      void* page = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
      if (page == MAP_FAILED) throw std::runtime_error("mmap");
      check(chmod(static_cast<char*>(page), 0644), "chmod");
    });
    REQUIRE(events.size() == 1);
    CHECK(events[0]["path"] == path);
    CHECK(events[0]["requested"] == path);
    CHECK(events[0]["src"] == source(tier, dir));
  }
}

TEST_CASE("a file that has been deleted, a memfd, a pipe") {
  for (const std::string& tier : tiers("chmodsnoop")) {
    INFO(tier);
    const TempDir dir;
    const std::string path = dir.file("file", "x", 0600);
    const auto events = trace("chmodsnoop", {"--hook", tier}, [&](Json&) {
      const int fd = static_cast<int>(check(open(path.c_str(), O_RDONLY), "open"));
      check(unlink(path.c_str()), "unlink");
      check(fchmod(fd, 04755), "fchmod");
      check(fchmod(static_cast<int>(syscall(SYS_memfd_create, "a program", 0)), 0755), "fchmod");
      int pipes[2];
      check(pipe(pipes), "pipe");
      check(fchmod(pipes[0], 0622), "fchmod");
    });
    REQUIRE(events.size() == 3);
    CHECK(events[0]["path"] == path);
    CHECK(events[0]["deleted"] == true);
    CHECK(events[0]["risk"] == "setuid");
    CHECK(events[0]["old"] == "0600");
    CHECK(events[1]["path"] == "memfd:a program");
    CHECK(events[1]["new"] == "0755");
    CHECK(events[1]["deleted"] == true);
    CHECK(events[2]["type"] == "pipe");
    CHECK(events[2]["new"] == "0622");
    CHECK(events[2]["risk"] == "world-writable");
    CHECK(events[2]["src"] != "user");
  }
}

TEST_CASE("directories 4,000 bytes deep") {
  for (const std::string& tier : tiers("chmodsnoop")) {
    INFO(tier);
    const TempDir dir;
    std::string path = dir.path();
    while (path.size() < 4000) {
      path += "/" + std::string(200, 'd');
      if (path.size() < 4090) check(mkdir(path.c_str(), 0755), "mkdir");
    }
    const auto events = trace("chmodsnoop", {"--hook", tier}, [&](Json&) {
      check(chdir(path.c_str()), "chdir");
      check(close(static_cast<int>(check(open("file", O_CREAT | O_WRONLY, 0600), "open"))), "close");
      check(chmod("file", 0640), "chmod");
      check(chdir(".."), "chdir");
      check(chmod((std::string(200, 'd') + "/file").c_str(), 0644), "chmod");
    });
    REQUIRE(events.size() == 2);
    for (const Json& e : events) {
      CHECK(e["path"] == path + "/file");
      CHECK(!e.contains("path_cut"));
      CHECK(!e.contains("path_missing"));
      CHECK(e["src"] == source(tier, dir));
    }
  }
}

TEST_CASE("a thread, and a process that is gone before its line") {
  for (const std::string& tier : tiers("chmodsnoop")) {
    INFO(tier);
    const TempDir dir;
    const std::string path = dir.file("file");
    Json truth;
    const auto events = trace(
        "chmodsnoop", {"--hook", tier},
        [&](Json& t) {
          std::thread([&] {
            t["tid"] = gettid();
            check(pthread_setname_np(pthread_self(), "kworker/0:1"), "pthread_setname_np");
            check(chmod(path.c_str(), 0600), "chmod");
          }).join();
          t["pid"] = getpid();
        },
        &truth);
    REQUIRE(events.size() == 1);
    CHECK(events[0]["tid"] == truth["tid"]);
    CHECK(events[0]["pid"] == truth["pid"]);
    CHECK(events[0]["tid"] != events[0]["pid"]);
    CHECK(events[0]["thread"] == "kworker/0:1");
    CHECK(events[0]["comm"] != "kworker/0:1");
    CHECK(events[0]["kthread"] == false);

    Tracer tracer("chmodsnoop", {"--hook", tier, "-j", "--path", dir.path() + "/"});
    const pid_t pid = fork();
    if (pid == 0) {
      chmod(path.c_str(), 0640);
      _exit(0);
    }
    check(waitpid(pid, nullptr, 0), "waitpid");
    tracer.stop();
    const auto gone = tracer.events();
    REQUIRE(gone.size() == 1);
    CHECK(gone[0]["pid"] == pid);
    CHECK(gone[0]["ppid"] == getpid());
    CHECK(gone[0]["path"] == path);
  }
}

TEST_CASE("two writers at full speed and a small buffer: received + lost = done") {
  for (const std::string& tier : tiers("chmodsnoop")) {
    INFO(tier);
    const unsigned each = many(20000);
    const TempDir dir;
    const std::string a = dir.file("a"), b = dir.file("b");
    Actor actor([&](Json&) {
      const auto writer = [each](const std::string& path) {
        for (unsigned i = 0; i < each; i++) check(chmod(path.c_str(), 0600 | (i & 077)), "chmod");
      };
      std::thread other([&] { writer(a); });
      writer(b);
      other.join();
    });
    Tracer tracer("chmodsnoop", {"--hook", tier, "-j", "-p", actor.id(), "--buffer", "4K"});
    actor.act();
    tracer.stop();
    const auto events = tracer.events();
    CHECK(tracer.lost() > 0);
    check_all_told(tracer, 2 * each);
    std::size_t wrong = 0;
    for (const Json& e : events) wrong += e["path"] != a && e["path"] != b;
    CHECK(wrong == 0);
  }
}
