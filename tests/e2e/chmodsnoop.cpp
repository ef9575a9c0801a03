// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "chmod.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

using namespace harness;

namespace {

constexpr int kFchmodat2 = 452;
constexpr mode_t kMode = 04751;

class Tmpdir {  // where TempDir makes its directories
 public:
  explicit Tmpdir(const char* base) {
    const char* old = std::getenv("TMPDIR");
    if (old) old_ = old;
    if (*base) setenv("TMPDIR", base, 1);
  }
  ~Tmpdir() { old_.empty() ? unsetenv("TMPDIR") : setenv("TMPDIR", old_.c_str(), 1); }

 private:
  std::string old_;
};

// f(tier, directory) for each tier, on the usual file system and on tmpfs.
template <class F> void everywhere(F f) {
  for (const std::string& tier : tiers("chmodsnoop")) {
    for (const char* base : {"", "/dev/shm"}) {
      struct statfs fs {};
      if (*base && (statfs(base, &fs) != 0 || fs.f_type != TMPFS_MAGIC)) {
        WARN("no tmpfs on /dev/shm: not tested there");
        continue;
      }
      const Tmpdir scope(base);
      const TempDir dir;
      INFO(tier << " in " << dir.path());
      f(tier, dir);
    }
  }
}

// A chmod of DIR/file, or of the descriptor, to kMode. Returns 0 or -errno.
struct Variant {
  const char* via;
  std::function<long(const std::string& dir, int fd)> call;
  std::string requested;  // @ is DIR
  bool by_fd = false;
  const char* flags = nullptr;
};

long result(long value) { return value < 0 ? -errno : value; }
int dir_fd(const std::string& dir) { return static_cast<int>(check(open(dir.c_str(), O_PATH | O_DIRECTORY), "open")); }
long at(const void* p) { return reinterpret_cast<long>(p); }

const Variant kVariants[] = {
#ifdef SYS_chmod
    {"chmod", [](auto& d, int) { return result(syscall(SYS_chmod, (d + "/file").c_str(), kMode)); }, "@/file"},
    {"chmod", [](auto& d, int) { return check(chdir(d.c_str()), "chdir"), result(syscall(SYS_chmod, "./file", kMode)); },
     "./file"},
    {"chmod", [](auto& d, int) { return result(syscall(SYS_chmod, (d + "/link").c_str(), kMode)); }, "@/link"},
    {"chmod", [](auto&, int fd) { return check(dup2(fd, 99), "dup2"), result(syscall(SYS_chmod, "/proc/self/fd/99", kMode)); },
     "/proc/self/fd/99"},
#endif
    {"fchmod", [](auto&, int fd) { return result(syscall(SYS_fchmod, fd, kMode)); }, "", true},
    {"fchmodat", [](auto& d, int) { return result(syscall(SYS_fchmodat, dir_fd(d), "file", kMode)); }, "file"},
    {"fchmodat", [](auto& d, int) { return result(syscall(SYS_fchmodat, AT_FDCWD, (d + "/sub/../link").c_str(), kMode)); },
     "@/sub/../link"},
    {"fchmodat2", [](auto& d, int) { return result(syscall(kFchmodat2, dir_fd(d), "file", kMode, 0)); }, "file"},
    {"fchmodat2", [](auto& d, int) { return result(syscall(kFchmodat2, -1, (d + "/file").c_str(), kMode, AT_SYMLINK_NOFOLLOW)); },
     "@/file", false, "AT_SYMLINK_NOFOLLOW"},
    {"fchmodat2", [](auto&, int fd) { return result(syscall(kFchmodat2, fd, "", kMode, AT_EMPTY_PATH)); }, "", true,
     "AT_EMPTY_PATH"},
    {"compat:chmod", [](auto& d, int) { return int80(15, at(low(d + "/link")), kMode); }, "@/link"},
    {"compat:fchmod", [](auto&, int fd) { return int80(94, fd, kMode); }, "", true},
    {"compat:fchmodat", [](auto& d, int) { return int80(306, dir_fd(d), at(low("file")), kMode); }, "file"},
    {"compat:fchmodat2", [](auto&, int fd) { return int80(kFchmodat2, fd, at(low("")), kMode, AT_EMPTY_PATH); }, "", true,
     "AT_EMPTY_PATH"},
};

Json null_or(const char* s) { return s ? Json(s) : Json(); }

// What the tier says of where it knows the path from.
std::string source(bool told, bool by_fd) { return told ? "kernel" : by_fd ? "fd" : "user"; }

}  // namespace

TEST_CASE("chmod in all its variants: every field") {
  everywhere([](const std::string& tier, const TempDir& dir) {
    const std::string path = dir.file("file");
    check(mkdir((dir / "sub").c_str(), 0755), "mkdir");
    check(symlink("file", (dir / "link").c_str()), "symlink");
    check(chown(path.c_str(), 1234, 5678), "chown");
    const bool told = tells_inode(tier, dir.path());
    std::vector<Variant> variants;
    std::vector<std::function<void(Json&)>> deeds;
    for (const Variant& v : kVariants) {
      if (std::string_view(v.via).starts_with("compat:") && !have_int80()) {
        WARN("no int $0x80 here: " << v.via << " is not tested");
        continue;
      }
      variants.push_back(v);
      deeds.push_back([&, v](Json& t) {
        const int fd = static_cast<int>(check(open(path.c_str(), O_RDONLY), "open"));
        const long r = v.call(dir.path(), fd);
        struct stat st {};
        check(fstat(fd, &st), "fstat");
        t = {{"pid", getpid()},
             {"tid", gettid()},
             {"ppid", getppid()},
             {"uid", getuid()},
             {"euid", geteuid()},
             {"gid", getgid()},
             {"errno", -r},
             {"inode", std::to_string(st.st_ino)},
             {"dev", std::to_string(major(st.st_dev)) + ":" + std::to_string(minor(st.st_dev))}};
        if (r == 0 && (st.st_mode & 07777) != kMode) throw std::runtime_error("the mode has not changed");
      });
    }
    const auto traced =
        trace_each("chmodsnoop", {"--hook", tier}, deeds, [&](pid_t) { check(chmod(path.c_str(), 0640), "chmod"); });
    for (std::size_t i = 0; i < variants.size(); i++) {
      const Variant& v = variants[i];
      const auto& [truth, events] = traced[i];
      INFO(v.via << " " << v.requested);
      if (truth["errno"] == ENOSYS) {
        WARN("this kernel has no " << v.via);
        if (tier == "fentry") {  // which is at functions of the kernel
          CHECK(events.empty());
          continue;
        }
      }
      REQUIRE(events.size() == 1);
      const Json& e = events[0];
      CHECK(e["via"] == v.via);
      if (truth["errno"] == ENOSYS) {
        CHECK(e["error"] == "ENOSYS");
        continue;
      }
      REQUIRE(truth["errno"] == 0);
      std::string requested = v.requested;
      if (requested.starts_with("@")) requested.replace(0, 1, dir.path());
      if (told || v.by_fd) {
        for (const auto& [key, value] : truth.items()) CHECK(e[key] == value);
        CHECK(e["path"] == path);
        CHECK(e["type"] == "file");
        CHECK(e["owner"] == 1234);
        CHECK(e["group"] == 5678);
        CHECK(e["deleted"] == false);
      } else {
        CHECK(e["inode"].is_null());
        CHECK(e["path"] ==
              (requested.starts_with("/") ? requested : dir / requested.substr(requested.starts_with("./") ? 2 : 0)));
      }
      CHECK(e["src"] == source(told, v.by_fd));
      CHECK(e["old"] == (tier == "fentry" || v.by_fd ? Json("0640") : Json()));
      CHECK(e["new"] == (told || v.by_fd ? Json("4751") : Json()));
      CHECK(e["mode"] == "4751");
      CHECK(e["risk"] == "setuid");
      CHECK(e.contains("risk_unsure") == e["old"].is_null());
      CHECK(e["error"].is_null());
      CHECK(e["flags"] == null_or(v.flags));
      CHECK(e["created"] == false);
      CHECK(e["requested"] == (requested.empty() ? Json() : Json(requested)));
      CHECK(e["kthread"] == false);
    }
  });
}

TEST_CASE("the default table") {
  const TempDir dir;
  const std::string path = dir.file("a file");
  Actor actor([&](Json&) { check(chmod(path.c_str(), 0600), "chmod"); });
  const std::string id = actor.id();
  Tracer tracer("chmodsnoop", {"-p", id});
  actor.act();
  tracer.stop();
  std::istringstream out(tracer.out());
  std::string word, heading, rest;
  for (int i = 0; i < 7 && out >> word; i++) heading += word + " ";
  CHECK(heading == "PID COMM UID OLD NEW ERR PATH ");
  const auto lines = tracer.lines();
  REQUIRE(lines.size() == 1);
  std::istringstream line(lines[0]);
  std::string pid, comm, uid, before, after, err;
  line >> pid >> comm >> uid >> before >> after >> err;
  std::getline(line >> std::ws, rest);
  CHECK(pid == id);
  CHECK(uid == "0");
  CHECK(after == "0600");
  CHECK(err == "-");
  CHECK(rest == path);
}

TEST_CASE("setgid that the kernel drops is not shown as new") {
  everywhere([](const std::string& tier, const TempDir& dir) {
    const std::string path = dir.file("file");
    check(chmod(dir.path().c_str(), 0755), "chmod");
    check(chown(path.c_str(), 65534, 0), "chown");  // whose group the caller is not in
    const auto events = trace("chmodsnoop", {"--hook", tier}, [&](Json&) {
      check(setgid(65534), "setgid");
      check(setuid(65534), "setuid");
      check(syscall(SYS_fchmodat, AT_FDCWD, path.c_str(), 06755), "fchmodat");
    });
    REQUIRE(events.size() == 1);
    const bool told = tells_inode(tier, dir.path());
    CHECK(events[0]["mode"] == "6755");
    CHECK(events[0]["new"] == (told ? Json("4755") : Json()));
    CHECK(events[0]["risk"] == (told ? "setuid" : "setuid,setgid"));
    CHECK(events[0].contains("risk_unsure") == (tier == "tp"));
    CHECK(events[0]["src"] == source(told, false));
    CHECK(events[0]["uid"] == 65534);
  });
}

TEST_CASE("chmod inside a chroot shows the path outside") {
  everywhere([](const std::string& tier, const TempDir& dir) {
    const std::string path = dir.file("file");
    const auto events = trace("chmodsnoop", {"--hook", tier}, [&](Json&) {
      check(chroot(dir.path().c_str()), "chroot");
      check(chdir("/"), "chdir");
      check(chmod("/file", 0600), "chmod");
      check(chmod("file", 0644), "chmod");
    });
    REQUIRE(events.size() == 2);
    for (const Json& e : events) {
      CHECK(e["path"] == path);
      CHECK(e["src"] == source(tells_inode(tier, dir.path()), false));
    }
    CHECK(events[0]["requested"] == "/file");
    CHECK(events[1]["requested"] == "file");
  });
}

TEST_CASE("hard links and bind mounts: the name that was used") {
  everywhere([](const std::string& tier, const TempDir& dir) {
    const std::string a = dir.file("a"), b = dir / "b";
    check(link(a.c_str(), b.c_str()), "link");
    check(mkdir((dir / "bound").c_str(), 0755), "mkdir");
    const auto events = trace("chmodsnoop", {"--hook", tier}, [&](Json&) {
      check(unshare(CLONE_NEWNS), "unshare");
      check(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount private");
      check(mount(dir.path().c_str(), (dir / "bound").c_str(), nullptr, MS_BIND, nullptr), "mount bind");
      for (int i = 0; i < 100; i++) {
        check(chmod(a.c_str(), 0600), "chmod");
        check(chmod(b.c_str(), 0640), "chmod");
        check(chmod((dir / "bound/b").c_str(), 0644), "chmod");
      }
    });
    REQUIRE(events.size() == 300);
    for (std::size_t i = 0; i < events.size(); i++) {
      CHECK(events[i]["path"] == (i % 3 == 0 ? a : i % 3 == 1 ? b : dir / "bound/b"));
      // What an earlier call has left on the kernel's stack may be another name of the same file: then neither is believed.
      const bool doubtful = tier == "tp" && i > 0 && events[i]["src"] == "user";
      if (!doubtful) CHECK(events[i]["src"] == source(tells_inode(tier, dir.path()), false));
    }
  });
}

TEST_CASE("a directory, and overlayfs") {
  for (const std::string& tier : tiers("chmodsnoop")) {
    INFO(tier);
    const TempDir dir;
    for (const char* name : {"lower", "upper", "work", "merged"}) check(mkdir((dir / name).c_str(), 0755), "mkdir");
    dir.file("lower/file");
    Json truth;
    const auto events = trace(
        "chmodsnoop", {"--hook", tier},
        [&](Json& t) {
          check(unshare(CLONE_NEWNS), "unshare");
          check(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount private");
          const std::string options =
              "lowerdir=" + (dir / "lower") + ",upperdir=" + (dir / "upper") + ",workdir=" + (dir / "work");
          t["mounted"] = mount("none", (dir / "merged").c_str(), "overlay", 0, options.c_str()) == 0;
          if (!t["mounted"].get<bool>()) return;
          check(chmod((dir / "merged").c_str(), 0777), "chmod");
          check(chmod((dir / "merged/file").c_str(), 0600), "chmod");  // copied up
          check(chmod((dir / "merged/file").c_str(), 0602), "chmod");
          struct stat st {};
          check(stat((dir / "merged/file").c_str(), &st), "stat");
          t["dev"] = std::to_string(major(st.st_dev)) + ":" + std::to_string(minor(st.st_dev));
          const int fd = static_cast<int>(check(open((dir / "merged/file").c_str(), O_RDONLY), "open"));
          check(fchmod(fd, 0620), "fchmod");
        },
        &truth);
    if (!truth["mounted"].get<bool>()) {
      WARN("no overlayfs here: not tested");
      continue;
    }
    REQUIRE(events.size() == 4);
    const bool told = tells_inode(tier, dir.path());  // of the upper layer
    CHECK(events[0]["path"] == dir / "merged");
    CHECK(events[0]["type"] == (told ? Json("directory") : Json()));
    CHECK(events[0]["risk"] == "world-writable");
    for (std::size_t i : {1u, 2u}) {
      CHECK(events[i]["path"] == dir / "merged/file");
      CHECK(events[i]["new"] == (i == 1 ? "0600" : "0602"));
      CHECK(events[i]["type"] == (told ? Json("file") : Json()));
    }
    for (std::size_t i = 0; i < 4; i++) {
      CHECK(events[i]["src"] == source(told, i == 3));
      CHECK(events[i]["dev"] == (told || i == 3 ? truth["dev"] : Json()));
    }
    CHECK(events[3]["path"] == dir / "merged/file");
    CHECK(events[3]["old"] == "0602");
  }
}

TEST_CASE("failures") {
  everywhere([](const std::string& tier, const TempDir& dir) {
    const std::string path = dir.file("file"), absent = dir / "absent", ro = dir / "ro";
    check(mkdir(ro.c_str(), 0755), "mkdir");
    check(chmod(dir.path().c_str(), 0755), "chmod");
    const auto events = trace("chmodsnoop", {"--hook", tier, "-x"}, [&](Json&) {
      const int fd = static_cast<int>(check(open(path.c_str(), O_RDONLY), "open"));
      check(unshare(CLONE_NEWNS), "unshare");
      check(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount private");
      check(mount("none", ro.c_str(), "tmpfs", MS_RDONLY, nullptr), "mount");
      chmod(path.c_str(), 0640);                       // succeeds: not shown
      chmod(absent.c_str(), 04755);                    // ENOENT
      syscall(SYS_fchmodat, AT_FDCWD, nullptr, 0644);  // EFAULT
      fchmod(-1, 0644);                                // EBADF
      chmod(ro.c_str(), 0777);                         // EROFS
      check(setuid(65534), "setuid");
      chmod(path.c_str(), 06666);  // EPERM
      fchmod(fd, 02777);           // EPERM
    });
    REQUIRE(events.size() == 6);
    const char* errors[] = {"ENOENT", "EFAULT", "EBADF", "EROFS", "EPERM", "EPERM"};
    const std::string paths[] = {absent, "", "", ro, path, path};
    const char* modes[] = {"4755", "0644", "0644", "0777", "6666", "2777"};
    const bool kernel = tier == "fentry";
    const std::string sources[] = {
        "user", "user", "user", kernel ? "kernel" : "user", kernel ? "kernel" : "user", kernel ? "kernel" : "fd"};
    for (std::size_t i = 0; i < 6; i++) {
      const Json& e = events[i];
      INFO(errors[i] << " " << paths[i]);
      CHECK(e["error"] == errors[i]);
      CHECK(e["path"] == (paths[i].empty() ? Json() : Json(paths[i])));
      CHECK(e["new"] == modes[i]);
      CHECK(e["mode"] == modes[i]);
      CHECK(e["risk"].is_null());
      CHECK(e["src"] == sources[i]);
      CHECK(e["created"] == false);
      if (sources[i] == "user") {
        CHECK(e["old"].is_null());
        CHECK(e["inode"].is_null());
        CHECK(e["dev"].is_null());
        CHECK(e["owner"].is_null());
        CHECK(e["type"].is_null());
        CHECK(e["deleted"].is_null());
      }
    }
    CHECK(events[5]["old"] == "0640");
    CHECK(events[5]["owner"] == 0);
    if (kernel) CHECK(events[4]["old"] == "0640");
  });
}

TEST_CASE("failures by the 32-bit entry, and of fchmodat2") {
  everywhere([](const std::string& tier, const TempDir& dir) {
    const std::string absent = dir / "absent";
    const bool newer = syscall(kFchmodat2, AT_FDCWD, absent.c_str(), 0644, 0) != 0 && errno != ENOSYS, compat = have_int80();
    const auto events = trace("chmodsnoop", {"--hook", tier, "-x"}, [&](Json&) {
      if (newer) syscall(kFchmodat2, AT_FDCWD, absent.c_str(), 0644, 0);
      if (!compat) return;
      int80(15, at(low(absent)), 0644);
      int80(94, -1, 0644);
      int80(306, AT_FDCWD, at(low(absent)), 0644);
      if (newer) int80(kFchmodat2, AT_FDCWD, at(low(absent)), 0644, 0);
    });
    std::vector<std::string> vias;
    if (newer) vias.emplace_back("fchmodat2");
    if (compat) vias.insert(vias.end(), {"compat:chmod", "compat:fchmod", "compat:fchmodat"});
    if (compat && newer) vias.emplace_back("compat:fchmodat2");
    REQUIRE(events.size() == vias.size());
    for (std::size_t i = 0; i < vias.size(); i++) {
      const Json& e = events[i];
      INFO(vias[i]);
      const bool by_fd = vias[i] == "compat:fchmod";
      CHECK(e["via"] == vias[i]);
      CHECK(e["error"] == (by_fd ? "EBADF" : "ENOENT"));
      CHECK(e["path"] == (by_fd ? Json() : Json(absent)));
      CHECK(e["new"] == "0644");
      CHECK(e["src"] == "user");
    }
  });
}

TEST_CASE("files created with a dangerous mode, and no others") {
  everywhere([](const std::string& tier, const TempDir& dir) {
    struct Creation {
      const char *via, *name, *after, *risk, *type;
      std::function<long(const std::string&)> call;
      bool node = false;
    };
    const auto openat2 = [](const std::string& p, unsigned long mode) {
      open_how how{};
      how.flags = O_CREAT | O_WRONLY;
      how.mode = mode;
      return syscall(SYS_openat2, AT_FDCWD, p.c_str(), &how, sizeof how);
    };
    const Creation creations[] = {
        {"openat", "a", "4755", "setuid", "file",
         [](auto& p) { return syscall(SYS_openat, AT_FDCWD, p.c_str(), O_CREAT | O_RDWR, 04755); }},
        {"openat2", "b", "0666", "world-writable", "file", [&](auto& p) { return openat2(p, 0666); }},
        {"openat", "", "2700", "setgid", "file",
         [&](auto&) { return syscall(SYS_openat, AT_FDCWD, dir.path().c_str(), O_TMPFILE | O_RDWR, 02700); }},
        {"mknodat", "c", "6602", "setuid,setgid,world-writable", "pipe",
         [](auto& p) { return syscall(SYS_mknodat, AT_FDCWD, p.c_str(), S_IFIFO | 06602, 0); }, true},
        {"mkdirat", "d", "1777", "world-writable", "directory",
         [](auto& p) { return syscall(SYS_mkdirat, AT_FDCWD, p.c_str(), 01777); }, true},
#ifdef SYS_open
        {"open", "e", "0646", "world-writable", "file",
         [](auto& p) { return syscall(SYS_open, p.c_str(), O_CREAT | O_RDWR, 0646); }},
        {"creat", "f", "2755", "setgid", "file", [](auto& p) { return syscall(SYS_creat, p.c_str(), 02755); }},
        {"mknod", "g", "0666", "world-writable", "file", [](auto& p) { return syscall(SYS_mknod, p.c_str(), 0666, 0); }, true},
        {"mkdir", "h", "0777", "world-writable", "directory", [](auto& p) { return syscall(SYS_mkdir, p.c_str(), 0777); }, true},
#endif
    };
    Json truth;
    const auto events = trace(
        "chmodsnoop", {"--hook", tier},
        [&](Json& t) {
          umask(0);
          for (const Creation& c : creations) {
            const long fd = check(c.call(dir / c.name), c.via);
            struct stat st {};
            check(c.node ? stat((dir / c.name).c_str(), &st) : fstat(static_cast<int>(fd), &st), "stat");
            t["inode"].push_back(std::to_string(st.st_ino));
          }
          // None of these is to be seen.
          check(open((dir / "a").c_str(), O_CREAT | O_RDWR, 06777), "open");  // it exists
          check(mkdir((dir / "d").c_str(), 0777) + 1, "mkdir");               // EEXIST
          check(open((dir / "harmless").c_str(), O_CREAT | O_RDWR, 0664), "open");
          check(mkdir((dir / "harmless.d").c_str(), 02775), "mkdir");
          umask(022);
          check(open((dir / "masked").c_str(), O_CREAT | O_RDWR, 0666), "open");
          check(mkdir((dir / "masked.d").c_str(), 0777), "mkdir");
          check(mknod((dir / "masked.p").c_str(), S_IFIFO | 0666, 0), "mknod");
          check(open((dir / "a").c_str(), O_RDONLY), "open");
        },
        &truth);
    REQUIRE(events.size() == std::size(creations));
    for (std::size_t i = 0; i < events.size(); i++) {
      const Creation& c = creations[i];
      const Json& e = events[i];
      const bool told = tells_inode(tier, dir.path()), known = told || !c.node;
      INFO(c.via << " " << c.name);
      CHECK(e["via"] == c.via);
      if (*c.name) CHECK(e["path"] == dir / c.name);
      CHECK(e["old"].is_null());
      CHECK(e["new"] == (known ? Json(c.after) : Json()));
      CHECK(e["mode"] == c.after);
      CHECK(e["risk"] == c.risk);
      CHECK(e.contains("risk_unsure") == !known);
      CHECK(e["type"] == (known ? Json(c.type) : Json()));
      CHECK(e["created"] == true);
      CHECK(e["errno"] == 0);
      if (*c.name || told)
        CHECK(e["src"] == (told ? "kernel" : c.node ? "user" : "fd"));  // O_TMPFILE of tmpfs marks its inode dirty
      CHECK(e["requested"] == (*c.name ? dir / c.name : dir.path()));
      if (known) {
        CHECK(e["inode"] == truth["inode"][i]);
        CHECK(e["owner"] == 0);
        CHECK(e["deleted"] == (*c.name == 0));
      }
    }
  });
}

TEST_CASE("a file created with a dangerous mode: 32-bit, and as text") {
  if (!have_int80()) {
    WARN("no int $0x80 here: not tested");
    return;
  }
  const TempDir dir;
  Actor actor([&](Json&) {
    umask(0);
    if (int80(5, at(low(dir / "a")), O_CREAT | O_RDWR, 04711) < 0) throw std::runtime_error("open");
    if (int80(39, at(low(dir / "b")), 0777) < 0) throw std::runtime_error("mkdir");
  });
  Tracer tracer("chmodsnoop", {"-p", actor.id(), "--hook", "tp", "-o", "via,old,new,risk,created,path"});
  actor.act();
  tracer.stop();
  std::string words;
  for (const std::string& line : tracer.lines()) {
    std::istringstream in(line);
    for (std::string word; in >> word;) words += word + " ";
  }
  const std::size_t heading = words.find("compat:");
  REQUIRE(heading != std::string::npos);
  CHECK(words.substr(heading) ==
        "compat:open - 4711 setuid yes " + (dir / "a") + " compat:mkdir - 0777 world-writable yes " + (dir / "b") + " ");
}

TEST_CASE("option --risky shows only dangerous bits gained") {
  for (const std::string& tier : tiers("chmodsnoop")) {
    INFO(tier);
    const TempDir dir;
    const std::string path = dir.file("file", "x", 0600);
    const auto events = trace("chmodsnoop", {"--hook", tier, "--risky"}, [&](Json&) {
      const int fd = static_cast<int>(check(open(path.c_str(), O_RDONLY), "open"));
      umask(0);
      for (const mode_t m : {0644u, 04755u, 04711u, 06711u, 0755u, 0777u, 0776u, 0755u}) check(fchmod(fd, m), "fchmod");
      check(chmod((dir / "absent").c_str(), 04777) + 1, "chmod");
      check(open((dir / "new").c_str(), O_CREAT | O_WRONLY, 0622), "open");
    });
    std::string seen;
    for (const Json& e : events) seen += e["new"].get<std::string>() + " " + e["risk"].get<std::string>() + "; ";
    CHECK(seen == "4755 setuid; 6711 setgid; 0777 world-writable; 0622 world-writable; ");
  }
}

TEST_CASE("option --path") {
  for (const std::string& tier : tiers("chmodsnoop")) {
    INFO(tier);
    const TempDir dir;
    const std::string in = dir.file("in"), out = dir.file("out");
    check(symlink("in", (dir / "out2").c_str()), "symlink");
    const auto events = trace("chmodsnoop", {"--hook", tier, "--path", dir / "in"}, [&](Json&) {
      check(chmod(out.c_str(), 0600), "chmod");
      check(chmod((dir / "out2").c_str(), 0600), "chmod");  // is "in"
      check(chmod(in.c_str(), 0644), "chmod");
      check(chmod((dir / "inside").c_str(), 0644) + 1, "chmod");
    });
    const bool told = tells_inode(tier, dir.path());  // else the symlink's name is all that is known
    REQUIRE(events.size() == (told ? 3 : 2));
    for (std::size_t i = 0; i + 1 < events.size(); i++) CHECK(events[i]["path"] == in);
    CHECK(events.back()["path"] == dir / "inside");
  }
}
