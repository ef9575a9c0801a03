// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Every way to open a file, every field of its line, every option.
#include "harness.h"

#include <fcntl.h>
#include <liburing.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>

using namespace harness;

namespace {

using Deed = std::function<void(Json&)>;

std::string octal(unsigned mode) {
  char text[8];
  snprintf(text, sizeof text, "%04o", mode & 07777);
  return text;
}

const char* type_name(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG: return "file";
    case S_IFDIR: return "directory";
    case S_IFIFO: return "pipe";
    case S_IFCHR: return "char";
    default: return "other";
  }
}

// For actors: what the open that returned `fd`, or failed with errno, has to look like.
long opened(Json& t, long fd) {
  if (fd < 0) {
    t.update({{"fd", nullptr}, {"errno", errno}, {"error", strerrorname_np(errno)}, {"tid", gettid()}});
    for (const char* key : {"type", "perm", "owner", "group", "created", "deleted", "dev", "inode"}) t[key] = nullptr;
    return fd;
  }
  struct stat st {};
  check(fstat(static_cast<int>(fd), &st), "fstat");
  char link[8192];
  const long n = check(readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), link, sizeof link), "readlink");
  std::string path(link, static_cast<std::size_t>(n));
  if (st.st_nlink == 0 && path.ends_with(" (deleted)")) path.resize(path.size() - strlen(" (deleted)"));
  t.update({{"fd", fd},
            {"errno", 0},
            {"error", nullptr},
            {"tid", gettid()},
            {"inode", std::to_string(st.st_ino)},
            {"dev", std::to_string(major(st.st_dev)) + ":" + std::to_string(minor(st.st_dev))},
            {"type", type_name(st.st_mode)},
            {"perm", octal(st.st_mode)},
            {"owner", st.st_uid},
            {"group", st.st_gid},
            {"created", false},
            {"deleted", st.st_nlink == 0},
            {"path", path}});
  return fd;
}
// One by int $0x80 gives -errno.
long opened80(Json& t, long ret) {
  if (ret >= 0) return opened(t, ret);
  errno = static_cast<int>(-ret);
  return opened(t, -1);
}

long long now() {
  timespec t{};
  clock_gettime(CLOCK_REALTIME, &t);
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

// Deeds that are one open each, under one tracer: their lines, with every field compared to `expected`, to what the
// actor said, and to what /proc said of it.
class Opens {
 public:
  explicit Opens(std::string tier) : tier_(std::move(tier)) {}
  void expect(const Deed& deed, Json expected, const std::string& what) {
    deeds_.push_back(deed);
    expected_.push_back({std::move(expected), what});
  }
  void compare() const;  // does them all

 private:
  struct Expected {
    Json fields;
    std::string what;
  };
  void compare(Json all, const std::vector<Json>& events, const Expected&, long long before) const;
  std::string tier_;
  std::vector<Deed> deeds_;
  std::vector<Expected> expected_;
};

void Opens::compare() const {
  std::vector<Json> actors;
  const long long before = now();
  const auto traced = trace_each("opensnoop", {"--hook", tier_}, deeds_, [&](pid_t pid) { actors.push_back(who(pid)); });
  for (std::size_t i = 0; i < traced.size(); i++) {
    actors[i].update(traced[i].truth);
    compare(actors[i], traced[i].events, expected_[i], before);
  }
}

void Opens::compare(Json all, const std::vector<Json>& events, const Expected& expected, long long before) const {
  const long long after = now();
  INFO(expected.what << " (" << tier_ << ") " << Json(events));
  REQUIRE(events.size() == 1);
  const Json& e = events[0];
  char host[256] = {};
  check(gethostname(host, sizeof host - 1), "gethostname");
  all.update({{"event", "open"}, {"host", host}, {"resolve", nullptr}, {"mode", nullptr}, {"flags", "O_RDONLY"}});
  all["src"] = all["errno"] == 0 ? (tier_ == "tp" ? "fd" : "kernel") : (tier_ == "tp" ? "user" : "kernel");
  all.update(expected.fields);
  if (all["via"] == "io_uring") all["tid"] = e["tid"], all["thread"] = e["thread"];  // maybe of a worker
  for (const auto& [key, value] : all.items()) {
    INFO(key);
    CHECK((e.contains(key) ? e[key] : Json("MISSING")) == value);
  }
  for (const auto& [key, value] : e.items()) {
    INFO(key);
    CHECK((all.contains(key) || key == "time" || key == "start"));
  }
  const long long second = 1'000'000'000;  // clocks are set, and read one after the other
  CHECK(time_of(e["time"]) > before - second);
  CHECK(time_of(e["time"]) < after + second);
  CHECK(e["start"].is_number_unsigned());
}

int dir_of(const TempDir& dir) {
  return static_cast<int>(check(open(dir.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), "open"));
}

Json with(Json a, const Json& b) {
  a.update(b);
  return a;
}

// file_handle with room for its bytes.
struct Handle {
  alignas(file_handle) char bytes[sizeof(file_handle) + MAX_HANDLE_SZ];
  file_handle* get() { return reinterpret_cast<file_handle*>(bytes); }
};
bool handle_of(const std::string& path, Handle& h) {
  int mount;
  h.get()->handle_bytes = MAX_HANDLE_SZ;
  return name_to_handle_at(AT_FDCWD, path.c_str(), h.get(), &mount, 0) == 0;
}

// Does one io_uring request; its result.
long uring(const std::function<void(io_uring_sqe*)>& prepare, unsigned setup = 0, unsigned slots = 0) {
  io_uring ring;
  if (const int e = io_uring_queue_init(4, &ring, setup); e < 0) return errno = -e, check(-1, "io_uring_queue_init");
  const std::vector<int> none(slots, -1);
  if (slots) check(io_uring_register_files(&ring, none.data(), slots), "io_uring_register_files");
  prepare(io_uring_get_sqe(&ring));
  check(io_uring_submit_and_wait(&ring, 1), "io_uring_submit_and_wait");
  io_uring_cqe* cqe = nullptr;
  check(io_uring_wait_cqe(&ring, &cqe), "io_uring_wait_cqe");
  const long res = cqe->res;
  io_uring_cqe_seen(&ring, cqe);
  io_uring_queue_exit(&ring);
  return res;
}
bool have_uring() {
  io_uring ring;
  if (io_uring_queue_init(2, &ring, 0) < 0) return false;
  io_uring_queue_exit(&ring);
  return true;
}

std::vector<std::string> paths(const std::vector<Json>& events) {
  std::vector<std::string> all;
  for (const Json& e : events) all.push_back(e["path"].is_null() ? "" : e["path"].get<std::string>());
  return all;
}
using Paths = std::vector<std::string>;

// Opens and closes, whatever comes of it.
void touch(const std::string& path, int flags = O_RDONLY, mode_t mode = 0600) {
  const int fd = open(path.c_str(), flags, mode);
  if (fd >= 0) close(fd);
}

std::vector<std::string> split(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string w; in >> w;) words.push_back(w);
  return words;
}

}  // namespace

TEST_CASE("open, openat, openat2, creat: every field") {
  TempDir dir;
  const std::string path = dir.file("a file", "x", 0640);
  const int dfd = dir_of(dir);
  for (const std::string& tier : tiers("opensnoop")) {
    Opens opens(tier);
    opens.expect([&](Json& t) { opened(t, openat(AT_FDCWD, path.c_str(), O_RDWR | O_APPEND)); },
                 {{"via", "openat"}, {"requested", path}, {"path", path}, {"flags", "O_RDWR|O_APPEND"}, {"perm", "0640"}},
                 "openat, absolute");
    opens.expect([&](Json& t) { opened(t, openat(dfd, "a file", O_RDONLY | O_CLOEXEC)); },
                 {{"via", "openat"}, {"requested", "a file"}, {"path", path}, {"flags", "O_RDONLY|O_CLOEXEC"}},
                 "openat, by a directory descriptor");
    opens.expect([&](Json& t) { check(fchdir(dfd), "fchdir"), opened(t, openat(AT_FDCWD, "./a file", 0)); },
                 {{"via", "openat"}, {"requested", "./a file"}, {"path", path}}, "openat, by the working directory");
#ifdef SYS_open
    opens.expect([&](Json& t) { opened(t, syscall(SYS_open, path.c_str(), O_WRONLY)); },
                 {{"via", "open"}, {"requested", path}, {"path", path}, {"flags", "O_WRONLY"}}, "open");
    opens.expect([&](Json& t) { opened(t, syscall(SYS_creat, path.c_str(), 0600)); },
                 {{"via", "creat"}, {"requested", path}, {"path", path}, {"flags", "O_WRONLY|O_CREAT|O_TRUNC"}, {"mode", "0600"}},
                 "creat");
#endif
    const open_how how{.flags = O_RDONLY | O_NOFOLLOW, .mode = 0, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    opens.expect([&](Json& t) { opened(t, syscall(SYS_openat2, dfd, "a file", &how, sizeof how)); },
                 {{"via", "openat2"},
                  {"requested", "a file"},
                  {"path", path},
                  {"flags", "O_RDONLY|O_NOFOLLOW"},
                  {"resolve", "NO_SYMLINKS|BENEATH"}},
                 "openat2");
    opens.compare();
  }
  close(dfd);
}

TEST_CASE("open_by_handle_at: every field") {
  TempDir dir;
  const std::string path = dir.file("f");
  const int mount = static_cast<int>(check(open(dir.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open"));
  Handle h;
  if (!handle_of(path, h)) CANNOT_TEST("the file system of " << dir.path() << " has no file handles");
  for (const std::string& tier : tiers("opensnoop")) {
    Opens opens(tier);
    const Json expected{{"via", "open_by_handle_at"}, {"requested", nullptr}, {"path", path}, {"flags", "O_RDWR"}};
    opens.expect([&](Json& t) { opened(t, open_by_handle_at(mount, h.get(), O_RDWR)); }, expected, "ok");
    Handle bad = h;
    bad.get()->handle_bytes = 1;
    opens.expect([&](Json& t) { opened(t, open_by_handle_at(mount, bad.get(), O_RDWR)); },
                 with(expected, {{"path", nullptr}, {"src", "user"}}), "failed");
    opens.compare();
  }
  close(mount);
}

TEST_CASE("files that are made: created, mode, O_TMPFILE") {
  TempDir dir;
  const std::string old = dir.file("old", "x", 0640);
  for (const std::string& tier : tiers("opensnoop")) {
    Opens opens(tier);
    const std::string fresh = dir / ("new-" + tier);
    const Json creat{{"via", "openat"}, {"flags", "O_RDWR|O_CREAT"}, {"mode", "4764"}};
    const auto make = [](const std::string& path, int flags, mode_t mode) {
      return [=](Json& t) { umask(0), opened(t, openat(AT_FDCWD, path.c_str(), flags, mode)); };
    };
    opens.expect([&](Json& t) { make(fresh, O_RDWR | O_CREAT, 04764)(t), t["created"] = true; },
                 with(creat, {{"requested", fresh}, {"path", fresh}, {"perm", "4764"}}), "new");
    opens.expect(make(old, O_RDWR | O_CREAT, 04764), with(creat, {{"requested", old}, {"path", old}, {"perm", "0640"}}),
                 "existing");
    opens.expect(make(old, O_RDWR | O_CREAT | O_EXCL, 0600),
                 {{"via", "openat"},
                  {"flags", "O_RDWR|O_CREAT|O_EXCL"},
                  {"mode", "0600"},
                  {"requested", old},
                  {"path", old},
                  {"error", "EEXIST"}},
                 "O_EXCL");
    opens.expect(make(dir.path(), O_RDWR | O_TMPFILE, 0644),
                 {{"via", "openat"},
                  {"flags", "O_RDWR|O_TMPFILE"},
                  {"mode", "0644"},
                  {"requested", dir.path()},
                  {"deleted", true},
                  {"perm", "0644"},
                  {"created", true}},
                 "O_TMPFILE");
    opens.compare();
  }
}

TEST_CASE("files of all kinds, by all kinds of names") {
  TempDir dir;
  const std::string path = dir.file("f");
  check(symlink("f", (dir / "link").c_str()), "symlink");
  check(mkdir((dir / "sub").c_str(), 0755), "mkdir");
  check(mkfifo((dir / "fifo").c_str(), 0600), "mkfifo");
  check(::link(path.c_str(), (dir / "hard").c_str()), "link");
  const int fd = static_cast<int>(check(open(path.c_str(), O_RDONLY | O_CLOEXEC), "open"));
  const int mem = static_cast<int>(check(memfd_create("in memory", MFD_CLOEXEC), "memfd_create"));
  const std::string link = dir / "link", self = "/proc/self/fd/" + std::to_string(fd),
                    self_mem = "/proc/self/fd/" + std::to_string(mem);
  const std::string gone = dir.file("gone"), moved = dir.file("moved");
  const int gone_fd = static_cast<int>(check(open(gone.c_str(), O_RDONLY | O_CLOEXEC), "open"));
  const int moved_fd = static_cast<int>(check(open(moved.c_str(), O_RDONLY | O_CLOEXEC), "open"));
  check(unlink(gone.c_str()), "unlink");
  check(rename(moved.c_str(), (dir / "here").c_str()), "rename");
  const std::string self_gone = "/proc/self/fd/" + std::to_string(gone_fd),
                    self_moved = "/proc/self/fd/" + std::to_string(moved_fd);

  const auto just_open = [](const std::string& name, int flags = O_RDONLY) {
    return [=](Json& t) { opened(t, openat(AT_FDCWD, name.c_str(), flags)); };
  };
  const auto expected = [](const std::string& requested, const std::string& real) {
    return Json{{"via", "openat"}, {"requested", requested}, {"path", real}};
  };
  for (const std::string& tier : tiers("opensnoop")) {
    Opens opens(tier);
    opens.expect(just_open(dir / "sub", O_DIRECTORY),
                 with(expected(dir / "sub", dir / "sub"), {{"flags", "O_RDONLY|O_DIRECTORY"}, {"type", "directory"}}),
                 "directory");
    opens.expect(just_open("/"), with(expected("/", "/"), {{"type", "directory"}}), "root");
    opens.expect(just_open("/dev/null"), with(expected("/dev/null", "/dev/null"), {{"type", "char"}}), "device");
    opens.expect(just_open(link), expected(link, path), "symlink");
    opens.expect(just_open(link, O_PATH | O_NOFOLLOW),
                 with(expected(link, link), {{"flags", "O_RDONLY|O_NOFOLLOW|O_PATH"}, {"type", "symlink"}}),
                 "the symlink itself");
    opens.expect(just_open(dir / "hard"), expected(dir / "hard", dir / "hard"), "hard link");
    opens.expect(just_open(dir / "sub/../sub//.././f"), expected(dir / "sub/../sub//.././f", path), "detours");
    opens.expect(just_open(self), expected(self, path), "/proc/self/fd/N");
    opens.expect(just_open(self_mem, O_RDWR),
                 with(expected(self_mem, "memfd:in memory"), {{"flags", "O_RDWR"}, {"deleted", true}}), "memfd");
    opens.expect(just_open(self_gone), with(expected(self_gone, gone), {{"deleted", true}}), "deleted");
    opens.expect(just_open(self_moved), expected(self_moved, dir / "here"), "renamed");
    opens.expect(just_open(dir / "fifo", O_RDWR | O_NONBLOCK),
                 with(expected(dir / "fifo", dir / "fifo"), {{"flags", "O_RDWR|O_NONBLOCK"}, {"type", "pipe"}}), "fifo");
    opens.expect(just_open(path, O_PATH), with(expected(path, path), {{"flags", "O_RDONLY|O_PATH"}}), "O_PATH");
    opens.compare();
  }
  for (const int f : {fd, mem, gone_fd, moved_fd}) close(f);
}

TEST_CASE("chroot, bind mount, private mount namespace: the path from the root of the namespace") {
  TempDir dir;
  check(mkdir((dir / "jail").c_str(), 0755), "mkdir");
  check(mkdir((dir / "other").c_str(), 0755), "mkdir");
  const std::string path = dir.file("jail/f");
  const auto jailed = [&](const char* name) {
    return [&dir, name](Json& t) {
      check(chroot((dir / "jail").c_str()), "chroot");
      check(chdir("/"), "chdir");
      const long fd = openat(AT_FDCWD, name, O_RDONLY);
      if (fd < 0) {
        opened(t, fd);
        return;
      }
      struct stat st {};
      check(fstat(static_cast<int>(fd), &st), "fstat");  // there is no /proc here
      t = {{"fd", fd},
           {"errno", 0},
           {"error", nullptr},
           {"tid", gettid()},
           {"inode", std::to_string(st.st_ino)},
           {"dev", std::to_string(major(st.st_dev)) + ":" + std::to_string(minor(st.st_dev))},
           {"type", "file"},
           {"perm", octal(st.st_mode)},
           {"owner", st.st_uid},
           {"group", st.st_gid},
           {"created", false},
           {"deleted", false}};
    };
  };
  for (const std::string& tier : tiers("opensnoop")) {
    Opens opens(tier);
    opens.expect(jailed("/f"), {{"via", "openat"}, {"requested", "/f"}, {"path", path}}, "chroot");
    opens.expect(jailed("f"), {{"via", "openat"}, {"requested", "f"}, {"path", path}}, "chroot, relative");
    opens.expect(jailed("/none"), {{"via", "openat"}, {"requested", "/none"}, {"path", dir / "jail/none"}, {"error", "ENOENT"}},
                 "chroot, failed");
    opens.expect(jailed("none"), {{"via", "openat"}, {"requested", "none"}, {"path", dir / "jail/none"}, {"error", "ENOENT"}},
                 "chroot, failed, relative");
    const std::string bound = dir / "other/f";
    opens.expect(
        [&](Json& t) {
          check(unshare(CLONE_NEWNS), "unshare");
          check(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount");
          check(mount((dir / "jail").c_str(), (dir / "other").c_str(), nullptr, MS_BIND, nullptr), "mount");
          opened(t, openat(AT_FDCWD, bound.c_str(), O_RDONLY));
          struct stat st {};
          check(stat("/proc/self/ns/mnt", &st), "stat");
          t["mnt_ns"] = st.st_ino;
        },
        {{"via", "openat"}, {"requested", bound}, {"path", bound}}, "bind mount in a namespace of its own");
    opens.expect(
        [&](Json& t) {
          check(unshare(CLONE_NEWNS), "unshare");
          check(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount");
          check(mount((dir / "jail").c_str(), (dir / "other").c_str(), nullptr, MS_BIND, nullptr), "mount");
          const int fd = static_cast<int>(
              check(syscall(SYS_open_tree, AT_FDCWD, (dir / "jail").c_str(), 1 /* OPEN_TREE_CLONE */), "open_tree"));
          opened(t, openat(fd, "f", O_RDONLY));
          struct stat st {};
          check(stat("/proc/self/ns/mnt", &st), "stat");
          t["mnt_ns"] = st.st_ino;
          t["path_detached"] = true;
          t["path"] = "/f";  // from the root of a mount that is nowhere
        },
        {{"via", "openat"}, {"requested", "f"}}, "a mount that is in no namespace");
    opens.compare();
  }
}

TEST_CASE("opens that fail: errno, and the path made absolute") {
  TempDir dir;
  const std::string path = dir.file("f", "x", 0600);
  check(symlink("loop", (dir / "loop").c_str()), "symlink");
  check(chmod(dir.path().c_str(), 0755), "chmod");
  const int dfd = dir_of(dir);
  const auto fails = [](int d, const std::string& name, int flags = O_RDONLY) {
    return [=](Json& t) { opened(t, openat(d, name.c_str(), flags)); };
  };
  const auto expected = [](const char* error, const std::string& requested, const Json& full) {
    return Json{{"via", "openat"}, {"error", error}, {"requested", requested.empty() ? Json() : Json(requested)}, {"path", full}};
  };
  for (const std::string& tier : tiers("opensnoop")) {
    Opens opens(tier);
    opens.expect(fails(AT_FDCWD, dir / "none"), expected("ENOENT", dir / "none", dir / "none"), "ENOENT");
    opens.expect(fails(dfd, "no ne"), expected("ENOENT", "no ne", dir / "no ne"), "ENOENT by descriptor");
    opens.expect([&](Json& t) { check(fchdir(dfd), "fchdir"), fails(AT_FDCWD, "none")(t); },
                 expected("ENOENT", "none", dir / "none"), "ENOENT by the working directory");
    opens.expect([&](Json& t) { check(chdir("/"), "chdir"), fails(AT_FDCWD, "none")(t); }, expected("ENOENT", "none", "/none"),
                 "ENOENT in /");
    opens.expect(fails(AT_FDCWD, dir / "loop"), expected("ELOOP", dir / "loop", dir / "loop"), "ELOOP");
    opens.expect(fails(AT_FDCWD, path + "/x"), expected("ENOTDIR", path + "/x", path + "/x"), "ENOTDIR");
    opens.expect(fails(AT_FDCWD, dir.path(), O_WRONLY), with(expected("EISDIR", dir.path(), dir.path()), {{"flags", "O_WRONLY"}}),
                 "EISDIR");
    opens.expect(fails(9999, "x"), expected("EBADF", "x", "x"), "EBADF");
    opens.expect(
        [&](Json& t) {
          check(setresgid(65534, 65534, 65534), "setresgid"), check(setresuid(65534, 65534, 65534), "setresuid");
          fails(AT_FDCWD, path)(t);
          t.update({{"uid", 65534}, {"euid", 65534}, {"gid", 65534}});
        },
        expected("EACCES", path, path), "EACCES");
    opens.expect(
        [&](Json& t) {
          check(setresuid(0, 65534, 0), "setresuid");
          fails(AT_FDCWD, path)(t);
          t.update({{"uid", 0}, {"euid", 65534}});
        },
        expected("EACCES", path, path), "EACCES, by the effective user id");
    opens.expect([&](Json& t) { opened(t, openat(AT_FDCWD, reinterpret_cast<const char*>(8), O_RDONLY)); },
                 with(expected("EFAULT", "", nullptr), {{"src", "user"}}), "EFAULT");
    opens.expect(
        [&](Json& t) {
          const rlimit none{0, 0};
          check(setrlimit(RLIMIT_NOFILE, &none), "setrlimit");
          fails(AT_FDCWD, path)(t);
        },
        with(expected("EMFILE", path, path), {{"src", "user"}}), "EMFILE");
    const std::string longest = "/" + std::string(5000, 'a'), kept = longest.substr(0, 4095);
    opens.expect(fails(AT_FDCWD, longest),
                 with(expected("ENAMETOOLONG", kept, kept), {{"requested_missing", 1}, {"path_missing", 1}, {"src", "user"}}),
                 "ENAMETOOLONG");
    const open_how bad{.flags = O_RDONLY, .mode = 0, .resolve = 1ull << 20};
    opens.expect([&](Json& t) { opened(t, syscall(SYS_openat2, AT_FDCWD, path.c_str(), &bad, sizeof bad)); },
                 {{"via", "openat2"}, {"requested", path}, {"path", path}, {"resolve", "0x100000"}, {"src", "user"}},
                 "openat2, EINVAL");
    opens.compare();
  }
  close(dfd);
}

TEST_CASE("openat2 that fails below a directory which is its root") {
  TempDir dir;
  check(chmod(dir.path().c_str(), 0755), "chmod");
  check(mkdir((dir / "d").c_str(), 0755), "mkdir");
  const int dfd = dir_of(dir);
  const std::string below = dir.path();
  struct Name {
    const char *requested, *error;
    std::string path;
    __u64 resolve;
  };
  const std::vector<Name> names = {
      {"/none", "ENOENT", below + "/none", RESOLVE_IN_ROOT},
      {"none", "ENOENT", below + "/none", RESOLVE_IN_ROOT},
      {"../../none", "ENOENT", below + "/none", RESOLVE_IN_ROOT},
      {"/..//.././none", "ENOENT", below + "/none", RESOLVE_IN_ROOT},
      {"d/../../../none", "ENOENT", below + "/d/../none", RESOLVE_IN_ROOT},
      {"/d/./../d/../..//../...", "ENOENT", below + "/d/../d/../...", RESOLVE_IN_ROOT},
      {"/../..a", "ENOENT", below + "/..a", RESOLVE_IN_ROOT},
      {"/..", "EISDIR", below, RESOLVE_IN_ROOT},
      {"/", "EISDIR", below, RESOLVE_IN_ROOT},
      {"/none", "EXDEV", "/none", RESOLVE_BENEATH},
      {"../none", "EXDEV", below + "/../none", RESOLVE_BENEATH},
      {"none", "ENOENT", below + "/none", RESOLVE_BENEATH},
  };
  for (const std::string& tier : tiers("opensnoop"))
    for (const bool by_cwd : {false, true}) {
      INFO(tier << by_cwd);
      Json resolve;
      const auto events = trace("opensnoop", {"--hook", tier}, [&](Json&) {
        if (by_cwd) check(fchdir(dfd), "fchdir");
        check(setresgid(65534, 65534, 65534), "setresgid"), check(setresuid(65534, 65534, 65534), "setresuid");
        for (const Name& n : names) {
          const open_how how{.flags = O_WRONLY, .mode = 0, .resolve = n.resolve};
          static_cast<void>(syscall(SYS_openat2, by_cwd ? AT_FDCWD : dfd, n.requested, &how, sizeof how));
        }
        const open_how how{.flags = O_WRONLY, .mode = 0, .resolve = RESOLVE_IN_ROOT};
        static_cast<void>(syscall(SYS_openat2, 9999, "/none", &how, sizeof how));
      });
      REQUIRE(events.size() == names.size() + 1);
      CHECK(events.back()["error"] == "EBADF");
      CHECK(events.back()["path_cut"] == true);  // below what is not known
      for (std::size_t i = 0; i < names.size(); i++) {
        CHECK(events[i]["requested"] == names[i].requested);
        CHECK(events[i]["error"] == names[i].error);
        CHECK(events[i]["path"] == names[i].path);
        CHECK(events[i]["uid"] == 65534);
      }
    }
  close(dfd);
}

TEST_CASE("32-bit entry: every call, every field") {
  if (!have_int80()) CANNOT_TEST("this kernel or machine has no int $0x80");
  TempDir dir;
  const std::string path = dir.file("f");
  const int dfd = dir_of(dir),
            mount = static_cast<int>(check(open(dir.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open"));
  const Json expected{{"requested", path}, {"path", path}};
  for (const std::string& tier : tiers("opensnoop")) {
    Opens opens(tier);
    opens.expect([&](Json& t) { opened80(t, int80(5, reinterpret_cast<long>(low(path)), O_RDWR)); },
                 with(expected, {{"via", "compat:open"}, {"flags", "O_RDWR"}}), "open");
    opens.expect([&](Json& t) { opened80(t, int80(8, reinterpret_cast<long>(low(path)), 0600)); },
                 with(expected, {{"via", "compat:creat"}, {"flags", "O_WRONLY|O_CREAT|O_TRUNC"}, {"mode", "0600"}}), "creat");
    opens.expect([&](Json& t) { opened80(t, int80(295, dfd, reinterpret_cast<long>(low("f")), O_RDONLY)); },
                 with(expected, {{"via", "compat:openat"}, {"requested", "f"}}), "openat");
    opens.expect([&](Json& t) { opened80(t, int80(295, AT_FDCWD, reinterpret_cast<long>(low(path)), O_RDONLY)); },
                 with(expected, {{"via", "compat:openat"}}), "openat, absolute");
    opens.expect([&](Json& t) { opened80(t, int80(5, reinterpret_cast<long>(low(dir / "none")), O_RDONLY)); },
                 {{"via", "compat:open"}, {"requested", dir / "none"}, {"path", dir / "none"}, {"error", "ENOENT"}},
                 "open, failed");
    opens.expect([&](Json& t) { opened80(t, int80(295, dfd, reinterpret_cast<long>(low("none")), O_RDONLY)); },
                 {{"via", "compat:openat"}, {"requested", "none"}, {"path", dir / "none"}, {"error", "ENOENT"}},
                 "openat, failed");
    const open_how how{.flags = O_RDONLY, .mode = 0, .resolve = RESOLVE_NO_XDEV};
    opens.expect(
        [&](Json& t) {
          opened80(t,
                   int80(437, dfd, reinterpret_cast<long>(low("f")), reinterpret_cast<long>(low(&how, sizeof how)), sizeof how));
        },
        with(expected, {{"via", "compat:openat2"}, {"requested", "f"}, {"resolve", "NO_XDEV"}}), "openat2");
    Handle h;
    if (handle_of(path, h))
      opens.expect([&](Json& t) { opened80(t, int80(342, mount, reinterpret_cast<long>(low(&h, sizeof h)), O_RDONLY)); },
                   with(expected, {{"via", "compat:open_by_handle_at"}, {"requested", nullptr}}), "open_by_handle_at");
    else WARN("NOT TESTED: the file system of " << dir.path() << " has no file handles");
    opens.compare();
  }
  close(dfd), close(mount);
}

TEST_CASE("io_uring: opens, done at once or by a worker, and failed ones") {
  if (!have_uring()) CANNOT_TEST("this kernel or machine has no io_uring");
  TempDir dir;
  const std::string path = dir.file("f"), none = dir / "none";
  const int dfd = dir_of(dir);
  static open_how how{.flags = O_RDONLY, .mode = 0, .resolve = RESOLVE_BENEATH};
  for (const std::string& tier : tiers("opensnoop")) {
    Opens opens(tier);
    // In the kernel tier, known where io_uring's own functions can be hooked.
    const bool known =
        tier == "tp" || run_tool("opensnoop", {"-v", "--hook", tier, "-d", "0.001"}).err.find("opt_uring_openat2_begin: taken") !=
                            std::string::npos;
    const Json resolve = known ? Json("BENEATH") : Json();
    const Json ok{{"via", "io_uring"}, {"requested", path}, {"path", path}};
    const Json bad{{"via", "io_uring"}, {"requested", none}, {"path", none}, {"error", "ENOENT"}, {"src", "kernel"}};
    const auto deed = [](auto prepare) { return [=](Json& t) { opened80(t, uring(prepare)); }; };
    const auto openat_ok = [&](io_uring_sqe* s) { io_uring_prep_openat(s, AT_FDCWD, path.c_str(), O_RDWR, 0); };
    const auto openat_bad = [&](io_uring_sqe* s) { io_uring_prep_openat(s, AT_FDCWD, none.c_str(), O_RDONLY, 0); };
    opens.expect(deed(openat_ok), with(ok, {{"flags", "O_RDWR"}}), "OPENAT");
    opens.expect(deed(openat_bad), bad, "OPENAT, failed");
    opens.expect(deed([&](io_uring_sqe* s) { io_uring_prep_openat(s, dfd, "f", O_RDONLY, 0); }), with(ok, {{"requested", "f"}}),
                 "OPENAT by a descriptor");
    opens.expect(deed([&](io_uring_sqe* s) { io_uring_prep_openat(s, dfd, "none", O_RDONLY, 0); }),
                 with(bad, {{"requested", "none"}}), "OPENAT by a descriptor, failed");
    opens.expect(deed([&](io_uring_sqe* s) { io_uring_prep_openat2(s, dfd, "f", &how); }),
                 with(ok, {{"requested", "f"}, {"resolve", resolve}}), "OPENAT2");
    opens.expect(deed([&](io_uring_sqe* s) { io_uring_prep_openat2(s, dfd, "none", &how); }),
                 with(bad, {{"requested", "none"}, {"resolve", resolve}}), "OPENAT2, failed");
    opens.expect(
        [&](Json& t) {
          const std::string fresh = dir / ("new-" + tier);
          const long res =
              uring([&](io_uring_sqe* s) { io_uring_prep_openat(s, AT_FDCWD, fresh.c_str(), O_RDWR | O_CREAT, 0600); });
          opened80(t, res);
          t["created"] = true;
        },
        {{"via", "io_uring"}, {"flags", "O_RDWR|O_CREAT"}, {"mode", "0600"}, {"requested", dir / ("new-" + tier)}},
        "OPENAT, O_CREAT");
    opens.compare();
  }
  close(dfd);
}

TEST_CASE("io_uring: by worker threads, a polling thread, into fixed slots, without completions") {
  if (!have_uring()) CANNOT_TEST("this kernel or machine has no io_uring");
  TempDir dir;
  const std::string path = dir.file("f"), none = dir / "none";
  struct Case {
    const char* what;
    const std::string& path;
    unsigned sqe_flags, setup, slots;
    Json expected;
  };
  const Json ok{{"errno", 0}, {"error", nullptr}},
      bad{{"errno", ENOENT}, {"error", "ENOENT"}, {"fd", nullptr}, {"src", "kernel"}};
  const std::vector<Case> cases{
      {"IOSQE_ASYNC", path, IOSQE_ASYNC, 0, 0, ok},
      {"IOSQE_ASYNC, failed", none, IOSQE_ASYNC, 0, 0, bad},
      {"SQPOLL", path, 0, IORING_SETUP_SQPOLL, 0, ok},
      {"SQPOLL, failed", none, 0, IORING_SETUP_SQPOLL, 0, bad},
      {"fixed slot", path, 0, 0, 4, with(ok, {{"fd", nullptr}})},
      {"fixed slot, failed", none, 0, 0, 4, bad},
  };
  for (const std::string& tier : tiers("opensnoop"))
    for (const Case& c : cases) {
      INFO(c.what << " (" << tier << ")");
      Json truth;
      const auto events = trace(
          "opensnoop", {"--hook", tier},
          [&](Json& t) {
            t["res"] = uring(
                [&](io_uring_sqe* s) {
                  if (c.slots) io_uring_prep_openat_direct(s, AT_FDCWD, c.path.c_str(), O_RDONLY, 0, 1);
                  else io_uring_prep_openat(s, AT_FDCWD, c.path.c_str(), O_RDONLY, 0);
                  s->flags |= static_cast<__u8>(c.sqe_flags);
                },
                c.setup, c.slots);
          },
          &truth);
      INFO(Json(events));
      REQUIRE(events.size() == 1);
      const Json& e = events[0];
      CHECK(truth["res"] == (c.expected["errno"] == 0 ? Json(c.slots ? 0 : truth["res"].get<int>()) : Json(-ENOENT)));
      for (const auto& [key, value] : c.expected.items()) CHECK(e[key] == value);
      if (!c.expected.contains("fd")) CHECK(e["fd"] == truth["res"]);
      CHECK(e["via"] == "io_uring");
      CHECK(e["path"] == c.path);
      CHECK(e["requested"] == c.path);
      CHECK(e["kthread"] == false);
      CHECK(e["comm"].get<std::string>().find("e2e_opensnoop") == 0);  // the process, not the worker
    }

  io_uring_params params{};
  const long probe = check(syscall(SYS_io_uring_setup, 1, &params), "io_uring_setup");
  close(static_cast<int>(probe));
  if (!(params.features & IORING_FEAT_CQE_SKIP)) CANNOT_TEST("this kernel's io_uring has no IOSQE_CQE_SKIP_SUCCESS");
  // A request that asks for no completion shows at submission: its outcome is not known.
  for (const std::string& tier : tiers("opensnoop")) {
    INFO("IOSQE_CQE_SKIP_SUCCESS (" << tier << ")");
    const auto events = trace("opensnoop", {"--hook", tier}, [&](Json&) {
      io_uring ring;
      check(io_uring_queue_init(4, &ring, 0), "io_uring_queue_init");
      io_uring_sqe* s = io_uring_get_sqe(&ring);
      io_uring_prep_openat(s, AT_FDCWD, path.c_str(), O_RDONLY, 0);
      s->flags |= IOSQE_CQE_SKIP_SUCCESS;
      io_uring_prep_nop(io_uring_get_sqe(&ring));
      check(io_uring_submit_and_wait(&ring, 1), "io_uring_submit_and_wait");
      io_uring_queue_exit(&ring);
    });
    REQUIRE(events.size() == 1);
    CHECK(events[0]["path"] == path);
    if (tier == "tp") CHECK(events[0]["errno"].is_null());
  }
}

TEST_CASE("who: a thread, a child of vfork, a process under another name") {
  TempDir dir;
  const std::string path = dir.file("f");
  for (const std::string& tier : tiers("opensnoop")) {
    Opens opens(tier);
    opens.expect(
        [&](Json& t) {
          std::thread([&] {
            prctl(PR_SET_NAME, "a worker");
            opened(t, openat(AT_FDCWD, path.c_str(), O_RDONLY));
            t["thread"] = "a worker";
          }).join();
          CHECK(t["tid"] != getpid());
        },
        {{"via", "openat"}, {"requested", path}, {"path", path}}, "thread");
    opens.expect(
        [&](Json& t) {
          prctl(PR_SET_NAME, "x\n\x1b[2J\xff");
          opened(t, openat(AT_FDCWD, path.c_str(), O_RDONLY));
          t["comm"] = t["thread"] = "x\n\x1b[2J\xef\xbf\xbd";
          t["comm_hex"] = t["thread_hex"] = "780a1b5b324aff";
        },
        {{"via", "openat"}, {"requested", path}, {"path", path}}, "renamed");

    INFO("vfork (" << tier << ")");
    const std::string name = "vf" + std::to_string(getpid());
    Actor actor([&](Json& t) {
      prctl(PR_SET_NAME, name.c_str());
      const char* p = path.c_str();
      const pid_t child = vfork();
      if (child == 0) {
        syscall(SYS_openat, AT_FDCWD, p, O_RDONLY, 0);
        _exit(0);
      }
      waitpid(child, nullptr, 0);
      t["pid"] = child;
    });
    Tracer tracer("opensnoop", {"-j", "--hook", tier, "-n", name});
    const Json truth = actor.act();
    tracer.stop();
    const auto events = tracer.events();
    REQUIRE(events.size() == 1);
    CHECK(events[0]["pid"] == truth["pid"]);
    CHECK(events[0]["ppid"].get<int>() > 0);
    CHECK(events[0]["comm"] == name);
    CHECK(events[0]["path"] == path);
    opens.compare();
  }
}

TEST_CASE("options: -p, -t and -n choose processes and threads") {
  TempDir dir;
  const auto opens = [&](const std::string& name) {
    return [path = dir / name, &dir](Json&) {
      touch(path);
      std::thread([&] {
        prctl(PR_SET_NAME, "needle-side");
        touch(path + "-thread");
      }).join();
      static_cast<void>(dir);
    };
  };
  const std::string base = "nt" + std::to_string(getpid());
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    const auto traced = [&](auto args_of) {
      Actor a(opens("a")), b(opens("b")), c([&](Json&t) {
        prctl(PR_SET_NAME, (base + "-c").c_str());
        opens("c")(t);
      });
      Args args{"-j", "--hook", tier, "--path", dir / ""};
      for (const std::string& w : args_of(a, b, c)) args.push_back(w);
      Tracer tracer("opensnoop", args);
      for (Actor* x : {&a, &b, &c}) x->act();
      tracer.stop();
      CHECK(tracer.status() == 0);
      return paths(tracer.events());
    };
    CHECK(traced([](auto& a, auto&, auto&) { return Args{"-p", a.id()}; }) == Paths{dir / "a", dir / "a-thread"});
    CHECK(traced([](auto& a, auto&, auto& c) {
            return Args{"-p", a.id() + "," + c.id()};
          }) == Paths{dir / "a", dir / "a-thread", dir / "c", dir / "c-thread"});
    CHECK(traced([](auto& a, auto& b, auto&) {
            return Args{"-p", a.id(), "-p", b.id()};
          }) == Paths{dir / "a", dir / "a-thread", dir / "b", dir / "b-thread"});
    CHECK(traced([](auto& a, auto&, auto&) { return Args{"-t", a.id()}; }) == Paths{dir / "a"});
    CHECK(traced([](auto& a, auto& b, auto&) { return Args{"--tid", b.id() + "," + a.id()}; }) == Paths{dir / "a", dir / "b"});
    CHECK(traced([](auto& a, auto& b, auto&) { return Args{"-p", a.id(), "-t", b.id()}; }).empty());
    // By a part of the name: the thread's own, or its process's.
    CHECK(traced([&](auto&, auto&, auto&) { return Args{"-n", base.substr(1) + "-"}; }) == Paths{dir / "c", dir / "c-thread"});
    CHECK(traced([&](auto&, auto&, auto&) {
            return Args{"-n", "edle-si"};
          }) == Paths{dir / "a-thread", dir / "b-thread", dir / "c-thread"});
    CHECK(traced([&](auto&, auto&, auto&) { return Args{"-n", base + "-cx"}; }).empty());
  }
}

TEST_CASE("options: -u, by name and number") {
  TempDir dir;
  const auto as = [&](uid_t uid) {
    return [&dir, uid](Json&) {
      check(setresuid(uid, uid, uid), "setresuid");
      touch(dir / std::to_string(uid));
    };
  };
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    const auto traced = [&](const std::string& list) {
      Actor a(as(65534)), b(as(12345)), c(as(0));
      Tracer tracer("opensnoop", {"-j", "--hook", tier, "-p", a.id() + "," + b.id() + "," + c.id(), "-u", list});
      for (Actor* x : {&a, &b, &c}) x->act();
      tracer.stop();
      std::vector<int> uids;
      for (const Json& e : tracer.events()) uids.push_back(e["uid"].get<int>());
      return uids;
    };
    CHECK(traced("nobody") == std::vector<int>{65534});
    CHECK(traced("12345") == std::vector<int>{12345});
    CHECK(traced("root,12345") == std::vector<int>{12345, 0});
    CHECK(traced("0") == std::vector<int>{0});
    CHECK(traced("777").empty());
  }
}

TEST_CASE("options: -x, -w, -f, --path choose opens") {
  TempDir dir;
  for (const char* name : {"r", "w", "rw", "a", "sub-x"}) dir.file(name);
  check(mkdir((dir / "sub").c_str(), 0755), "mkdir");
  dir.file("sub/f");
  const Deed opens = [&](Json&) {
    touch(dir / "r", O_RDONLY);
    touch(dir / "w", O_WRONLY);
    touch(dir / "rw", O_RDWR | O_DSYNC);
    touch(dir / "a", O_WRONLY | O_CREAT | O_APPEND);
    touch(dir / "none", O_RDONLY);
    touch(dir / "none/x", O_WRONLY | O_CREAT);
    touch(dir / "sub", O_RDONLY | O_DIRECTORY);
    touch(dir / "sub/f", O_RDONLY);
    touch(dir / "sub-x", O_RDONLY);
  };
  const auto names = [&](const Args& args) {
    std::string all;
    for (const std::string& p : paths(trace("opensnoop", args, opens)))
      all += (all.empty() ? "" : " ") + p.substr(dir.path().size() + 1);
    return all;
  };
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    const auto with_args = [&](Args args) {
      args.insert(args.end(), {"--hook", tier});
      return names(args);
    };
    CHECK(with_args({}) == "r w rw a none none/x sub sub/f sub-x");
    CHECK(with_args({"-x"}) == "none none/x");
    CHECK(with_args({"-w"}) == "w rw a none/x");
    CHECK(with_args({"-w", "-f", "O_CREAT"}) == "a none/x");
    CHECK(with_args({"-w", "-f", "O_DIRECTORY", "-f", "O_RDWR"}) == "rw");
    CHECK(with_args({"--write", "--failed"}) == "none/x");
    CHECK(with_args({"-f", "O_CREAT"}) == "a none/x");
    CHECK(with_args({"-f", "O_CREAT", "-f", "O_DIRECTORY"}) == "a none/x sub");
    CHECK(with_args({"-f", "O_RDWR"}) == "rw");
    CHECK(with_args({"-f", "O_RDONLY"}) == "r none sub sub/f sub-x");
    CHECK(with_args({"-f", "O_RDWR", "-f", "O_APPEND"}) == "rw a");
    CHECK(with_args({"-f", "O_TMPFILE"}) == "");  // whose bits include those of O_DIRECTORY
    CHECK(with_args({"-f", "O_SYNC"}) == "");     // and those of O_DSYNC
    CHECK(with_args({"-f", "O_DSYNC"}) == "rw");
    CHECK(with_args({"--path", dir / "sub"}) == "sub sub/f sub-x");
    CHECK(with_args({"--path", dir / "sub/"}) == "sub/f");
    CHECK(with_args({"--path", dir / "r", "--path", dir / "sub/"}) == "r rw sub/f");
    CHECK(with_args({"--path", dir / "none", "-x", "-w"}) == "none/x");
    CHECK(with_args({"--path", "/nowhere/"}) == "");
    CHECK(with_args({"--path", dir / std::string(200, 'x')}) == "");
  }
}

TEST_CASE("options: --path of short components, through a mount, deep, and in no tree") {
  std::string deep = "/mnt";
  const auto opens = [&deep](Json&) {
    check(unshare(CLONE_NEWNS), "unshare");
    check(mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make private");
    check(mount("needle", "/mnt", "tmpfs", 0, nullptr), "mount");
    for (const char* path : {"/mnt", "/mnt/a", "/mnt/a/b", "/mnt/a/bc", "/mnt/a/bc/d", "/mnt/abcdef", "/mnt/abcdef/x"}) {
      mkdir(path, 0755);
      touch(path, O_RDONLY);
    }
    for (int i = 0; i < 40; i++) check(mkdir((deep += "/1").c_str(), 0755), "mkdir");
    touch(deep, O_RDONLY);
    const int fd = static_cast<int>(check(memfd_create("mnt", 0), "memfd_create"));
    touch("/proc/self/fd/" + std::to_string(fd), O_RDONLY);
  };
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    const auto shown = [&](const char* prefix) {
      std::string all;
      for (const std::string& p : paths(trace("opensnoop", {"--hook", tier, "--path", prefix}, opens))) {
        const auto ones = std::count(p.begin(), p.end(), '1');
        all += (all.empty() ? "" : " ") + (ones == 40 ? "deep" : p);
      }
      return all;
    };
    const std::string below_a = "/mnt/a/b /mnt/a/bc /mnt/a/bc/d",
                      all = "/mnt /mnt/a " + below_a + " /mnt/abcdef /mnt/abcdef/x deep";
    CHECK(shown("/") == all);
    CHECK(shown("/m") == all);
    CHECK(shown("/mnt") == all);
    CHECK(shown("/mnt/") == all.substr(5));
    CHECK(shown("/mnt/a") == all.substr(5, all.size() - 10));
    CHECK(shown("/mnt/a/") == below_a);
    CHECK(shown("/mnt/a/b") == below_a);
    CHECK(shown("/mnt/a/b/") == "");
    CHECK(shown("/mnt/a/bc/d") == "/mnt/a/bc/d");
    CHECK(shown("/mnt/abcdef/") == "/mnt/abcdef/x");
    CHECK(shown("/mnt/abcdeg") == "");
    CHECK(shown("/mnt/1/1/1/1") == "deep");
    CHECK(shown("/mnt/1/1/1/2") == "");
    CHECK(shown("/mno") == "");
    CHECK(shown("/mnt/b") == "");
    CHECK(shown("memfd:mn") == "memfd:mnt");
  }
}

TEST_CASE("options: --path, at every depth below a mount") {
  constexpr int kDepths = 40;
  const auto opens = [](Json&) {
    check(unshare(CLONE_NEWNS), "unshare");
    check(mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make private");
    check(mount("needle", "/mnt", "tmpfs", 0, nullptr), "mount");
    std::string path = "/mnt";
    for (int i = 0; i < kDepths; i++) {
      check(mkdir((path += "/d").c_str(), 0755), "mkdir");
      touch(path, O_RDONLY);
    }
  };
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    std::vector<std::string> all;
    std::string path = "/mnt";
    for (int i = 0; i < kDepths; i++) all.push_back(path += "/d");
    CHECK(paths(trace("opensnoop", {"--hook", tier, "--path", "/mnt/"}, opens)) == all);
    CHECK(paths(trace("opensnoop", {"--hook", tier, "--path", "/d/"}, opens)).empty());
  }
}

TEST_CASE("options: --cgroup, and what is below it") {
  TempDir dir;
  std::string v2;
  std::ifstream mounts("/proc/self/mounts");
  for (std::string what, where, type, rest; v2.empty() && mounts >> what >> where >> type && std::getline(mounts, rest);)
    if (type == "cgroup2") v2 = where;
  const std::string group = v2 + "/needle-test-" + std::to_string(getpid()), below = group + "/below";
  if (v2.empty() || mkdir(group.c_str(), 0755) || mkdir(below.c_str(), 0755))
    CANNOT_TEST("cannot make a cgroup v2: " << strerror(errno));
  const auto move = [](const Actor& a, const std::string& to) {
    std::ofstream procs(to + "/cgroup.procs");
    procs << a.id() << std::flush;
    CHECK(procs);
  };
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    Actor in([&](Json&) { touch(dir / "in"); }), deeper([&](Json&) { touch(dir / "deeper"); }),
        out([&](Json&) { touch(dir / "out"); });
    move(in, group), move(deeper, below);
    struct stat st {};
    check(stat(below.c_str(), &st), "stat");
    Tracer all("opensnoop", {"-j", "--hook", tier, "--path", dir / "", "--cgroup", group});
    Tracer some("opensnoop", {"-j", "--hook", tier, "--path", dir / "", "--cgroup", below});
    for (Actor* a : {&in, &deeper, &out}) a->act();
    all.stop(), some.stop();
    CHECK(paths(all.events()) == Paths{dir / "in", dir / "deeper"});
    REQUIRE(paths(some.events()) == Paths{dir / "deeper"});
    CHECK(some.events()[0]["cgroup"] == st.st_ino);
  }
  CHECK(rmdir(below.c_str()) == 0);
  CHECK(rmdir(group.c_str()) == 0);
}

TEST_CASE("options: --mnt-ns, by process and by number") {
  TempDir dir;
  int ready[2];
  for (const std::string& tier : tiers("opensnoop"))
    for (const bool by_number : {false, true}) {
      INFO(tier << by_number);
      check(pipe2(ready, O_CLOEXEC), "pipe2");
      int go[2];
      check(pipe2(go, O_CLOEXEC), "pipe2");
      const pid_t inside = fork();
      if (inside == 0) {
        char c;
        if (unshare(CLONE_NEWNS) || write(ready[1], "r", 1) != 1 || read(go[0], &c, 1) != 1) _exit(1);
        touch(dir / "inside");
        _exit(0);
      }
      char c;
      REQUIRE(read(ready[0], &c, 1) == 1);
      struct stat st {};
      check(stat(("/proc/" + std::to_string(inside) + "/ns/mnt").c_str(), &st), "stat");
      {
        Tracer tracer("opensnoop", {"-j", "--hook", tier, "--path", dir / "", "--mnt-ns",
                                    by_number ? std::to_string(st.st_ino) : std::to_string(inside)});
        Actor outside([&](Json&) { touch(dir / "outside"); });
        outside.act();
        REQUIRE(write(go[1], "g", 1) == 1);
        int status = 1;
        waitpid(inside, &status, 0);
        CHECK(status == 0);
        tracer.stop();
        REQUIRE(paths(tracer.events()) == Paths{dir / "inside"});
        CHECK(tracer.events()[0]["mnt_ns"] == st.st_ino);
      }
      for (const int fd : {ready[0], ready[1], go[0], go[1]}) close(fd);
    }
}

TEST_CASE("options: -d, --count") {
  TempDir dir;
  CHECK(run_tool("opensnoop", {"-d", "0.2", "--path", dir / ""}).status == 0);
  for (const std::string& tier : tiers("opensnoop"))
    for (const bool json : {false, true}) {
      INFO(tier);
      Actor actor([&](Json&) {
        for (int i = 0; i < 10; i++) touch(dir / std::to_string(i));
      });
      Args args{"--hook", tier, "-p", actor.id(), "--count", "3", "-o", "path"};
      if (json) args.emplace_back("-j");
      Tracer tracer("opensnoop", args);
      actor.act();
      tracer.wait();  // ends by itself
      CHECK(tracer.status() == 0);
      const std::string expected = json ? R"({"path":")" + (dir / "2") + R"("})" : dir / "2";
      auto lines = tracer.out();
      REQUIRE(std::count(lines.begin(), lines.end(), '\n') == (json ? 3 : 4));
      CHECK(lines.ends_with(expected + "\n"));
    }
}

TEST_CASE("options: columns and headings of the table") {
  TempDir dir;
  const std::string path = dir.file("a file"), none = dir / "no  ne\n";
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    const auto table = [&](Args args, std::string* id = nullptr) {
      Actor actor([&](Json&) {
        close(100);
        dup2(static_cast<int>(check(open(path.c_str(), O_RDONLY), "open")), 100);
        touch(none);
      });
      if (id) *id = actor.id();
      args.insert(args.end(), {"--hook", tier, "-p", actor.id()});
      Tracer tracer("opensnoop", args);
      actor.act();
      tracer.stop();
      std::vector<std::vector<std::string>> rows;
      std::istringstream in(tracer.out());
      for (std::string line; std::getline(in, line);) {
        CHECK(line.find_first_of("\n\r\t\x1b") == line.npos);
        CHECK((line.empty() || line.back() != ' '));
        rows.push_back(split(line));
      }
      return rows;
    };
    using Row = std::vector<std::string>;
    std::string id;
    auto rows = table({}, &id);
    REQUIRE(rows.size() == 3);
    CHECK(rows[0] == Row{"PID", "COMM", "FD", "ERR", "PATH"});
    REQUIRE(rows[1].size() == 6);  // the path's own blank is single, in the last column
    CHECK(rows[1][0] == id);
    CHECK(rows[1][1].starts_with("e2e_opensnoop"));
    CHECK(rows[1][3] == "-");
    CHECK(rows[1][4] + " " + rows[1][5] == path);
    CHECK(rows[2] == Row{id, rows[1][1], "-", "ENOENT", dir / "no", "\\x20ne\\n"});

    rows = table({"--no-heading", "-o", "path,fd,err"});
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].size() == 3);
    CHECK(rows[0][0] == dir / "a\\x20file");
    CHECK(rows[1] == Row{dir / "no\\x20\\x20ne\\n", "-", "ENOENT"});

    CHECK(table({"-T"})[0] == Row{"TIME", "PID", "COMM", "FD", "ERR", "PATH"});
    CHECK(table({"-U"})[0] == Row{"UID", "PID", "COMM", "FD", "ERR", "PATH"});
    CHECK(table({"-T", "-U"})[1].size() == 8);
    CHECK(table({"-o", "+src,+via"})[0] == Row{"PID", "COMM", "VIA", "SRC", "FD", "ERR", "PATH"});
    CHECK(table({"-e"})[0].size() == 55);
    for (const Row& row : table({"-e", "-o", "+path"})) CHECK(row.size() >= 50);
    rows = table({"-T"});
    CHECK(rows.at(1)[0].size() ==
          std::string("2026-11-28T21:18:03.123456+01:00").size());  // the first of a day has date and zone
    const std::string time = rows.at(2)[0];
    CHECK(time.size() == 15);
    CHECK(time[2] == ':');
    CHECK(time[8] == '.');
  }
}

TEST_CASE("options together narrow") {
  TempDir dir;
  dir.file("w");
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    Actor actor([&](Json&) {
      touch(dir / "w", O_WRONLY);
      touch(dir / "no", O_RDONLY);
      touch(dir / "no/w", O_WRONLY);
      check(setresuid(65534, 65534, 65534), "setresuid");
      touch(dir / "no/w2", O_WRONLY | O_CREAT);
      touch(dir / "no/r2", O_RDONLY);
    });
    Tracer tracer("opensnoop", {"-j",     "--hook", tier,       "-p",       actor.id(), "-t", actor.id(),    "-u",
                                "nobody", "-n",     "e2e_open", "-x",       "-w",       "-f", "O_CREAT",     "--path",
                                dir / "", "--path", "/else/",   "--mnt-ns", actor.id(), "-o", "path,uid,err"});
    actor.act();
    tracer.stop();
    CHECK(tracer.status() == 0);
    CHECK(tracer.events() ==
          std::vector<Json>{{{"path", dir / "no/w2"}, {"uid", 65534}, {"errno", EACCES}, {"error", "EACCES"}}});
  }
}

TEST_CASE("what has no path, such as a pipe, reads as /proc/PID/fd shows it") {
  const auto deed = [](Json& t) {
    Json links = Json::array();
    const auto again = [&](long fd, int flags) {
      if (fd < 0) return;
      char link[256];
      const std::string name = "/proc/self/fd/" + std::to_string(fd);
      const long n = check(readlink(name.c_str(), link, sizeof link), "readlink");
      std::string shown(link, static_cast<std::size_t>(n));
      if (shown.ends_with(" (deleted)")) shown = shown.substr(1, shown.size() - 11);  // of /memfd:x
      links.push_back(shown);
      close(static_cast<int>(check(open(name.c_str(), flags), "open")));
    };
    int ends[2], pair[2];
    check(pipe(ends), "pipe");
    check(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), "socketpair");
    again(ends[0], O_RDONLY | O_NONBLOCK);
    again(ends[1], O_PATH);
    again(pair[0], O_PATH);
    again(socket(AF_INET, SOCK_STREAM, 0), O_PATH);
    again(eventfd(0, 0), O_PATH);
    again(memfd_create("mem", 0), O_RDONLY);
    again(syscall(SYS_pidfd_open, getpid(), 0), O_PATH);
    for (const char* kind : {"net", "mnt", "pid", "uts", "ipc", "user", "cgroup", "time"}) {
      const int fd = open((std::string("/proc/self/ns/") + kind).c_str(), O_PATH);
      if (fd < 0) continue;
      again(fd, O_RDONLY);
      links.insert(links.end() - 1, links.back());  // two opens
    }
    t["links"] = links;
  };
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    Json truth;
    const Json shown = paths(trace("opensnoop", {"--hook", tier}, deed, &truth));
    CHECK(shown == truth["links"]);
    CHECK(paths(trace("opensnoop", {"--hook", tier, "--path", "/"}, deed)).empty());
    CHECK(paths(trace("opensnoop", {"--hook", tier, "--path", "pipe:["}, deed)).size() == 2);
    CHECK(paths(trace("opensnoop", {"--hook", tier, "--path", "/dev/null"}, [](Json&) { touch("/dev/null"); })) ==
          Paths{"/dev/null"});
  }
}

TEST_CASE("marked as detached: a file above the root of its mount, by a handle, one slash, and no --path drops it") {
  TempDir dir;
  check(mkdir((dir / "shown").c_str(), 0755), "mkdir");
  check(mkdir((dir / "hidden").c_str(), 0755), "mkdir");
  const std::string shown = dir.file("shown/f"), hidden = dir.file("hidden/secret");
  Handle h;
  if (!handle_of(hidden, h)) CANNOT_TEST("the file system of " << dir.path() << " has no file handles");
  const auto deed = [&](Json& t) {
    check(unshare(CLONE_NEWNS), "unshare");
    check(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount");
    check(mount("tmp", "/mnt", "tmpfs", 0, nullptr), "mount");
    close(static_cast<int>(check(open("/mnt/f", O_WRONLY | O_CREAT, 0600), "open")));
    check(mount(shown.c_str(), "/mnt/f", nullptr, MS_BIND, nullptr), "mount");
    const int at = static_cast<int>(check(open("/mnt/f", O_RDONLY), "open"));
    close(static_cast<int>(check(open_by_handle_at(at, h.get(), O_RDONLY), "open_by_handle_at")));
    struct stat st {};
    check(stat(hidden.c_str(), &st), "stat");
    t["inode"] = std::to_string(st.st_ino);
  };
  for (const std::string& tier : tiers("opensnoop"))
    for (const char* prefix : {"", "/etc/", "/nowhere"}) {
      INFO(tier << prefix);
      Args args{"--hook", tier};
      if (*prefix) args.insert(args.end(), {"--path", prefix});
      Json truth;
      const auto events = trace("opensnoop", args, deed, &truth);
      REQUIRE(!events.empty());
      const Json& e = events.back();
      CHECK(e["inode"] == truth["inode"]);
      CHECK(e["path_detached"] == true);
      const std::string path = e["path"];
      CHECK(path.find("//") == path.npos);
      CHECK((e.contains("path_cut") || path.ends_with("/hidden/secret")));
    }
}

TEST_CASE("marked as foreign: a path of another mount namespace is told from an own one, also after a failure") {
  TempDir dir;
  const std::string path = dir.file("f");
  const auto deed = [&](Json&) {
    const int there = dir_of(dir);
    check(unshare(CLONE_NEWNS), "unshare");
    close(static_cast<int>(check(openat(there, "f", O_RDONLY), "openat")));
    close(static_cast<int>(check(open(path.c_str(), O_RDONLY), "open")));
    static_cast<void>(openat(there, "none", O_RDONLY));
  };
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    const auto events = trace("opensnoop", {"--hook", tier, "--path", path, "--path", dir / "none"}, deed);
    REQUIRE(paths(events) == Paths{path, path, dir / "none"});
    CHECK(events[0].value("path_foreign", false));
    CHECK_FALSE(events[1].contains("path_foreign"));
    CHECK(events[2].value("path_foreign", false));
    Actor actor(deed);
    Tracer tracer("opensnoop", {"--hook", tier, "-p", actor.id(), "--path", path, "-o", "path"});
    actor.act();
    tracer.stop();
    CHECK(tracer.out().find("\\foreign:" + path + "\n" + path + "\n") != std::string::npos);
  }
}

TEST_CASE("options: --path: needless slashes and dots in the name of what failed are folded, and given back as requested") {
  TempDir dir;
  const std::string path = dir / "none", slashes(3000, '/');
  const std::vector<std::string> names{dir / "/none",  "/" + dir.path() + "//none",
                                       dir / "./none", "/." + dir.path() + "/.//./none",
                                       "none",         "./none",
                                       ".//./none",    dir / "none/",
                                       dir / "none/.", dir / "none//.//",
                                       slashes + path, dir / "none/./x",
                                       dir / ".none"};
  const auto deed = [&](Json&) {
    check(chdir(dir.path().c_str()), "chdir");
    for (const std::string& name : names) touch(name);
  };
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    const auto events = trace("opensnoop", {"--hook", tier, "--path", path}, deed);
    REQUIRE(events.size() == names.size() - 1);
    for (std::size_t i = 0; i < events.size(); i++) {
      CHECK(events[i]["requested"] == names[i]);
      CHECK(events[i]["path"] == (i == 11 ? path + "/x" : path));
    }
    CHECK(paths(trace("opensnoop", {"--hook", tier, "-x"}, deed)).back() == dir / ".none");
    const auto roots = [&](Json&) {
      check(chdir("/"), "chdir"), touch("/", O_WRONLY), touch("//", O_WRONLY), touch(".", O_WRONLY), touch("/./", O_WRONLY);
    };
    CHECK(paths(trace("opensnoop", {"--hook", tier}, roots)) == Paths(4, "/"));
  }
}

TEST_CASE("options: --path below a symbolic link: both names, and a line that says so") {
  TempDir dir;
  check(mkdir((dir / "real").c_str(), 0755), "mkdir");
  check(symlink("real", (dir / "link").c_str()), "symlink");
  const std::string path = dir.file("real/f");
  const auto deed = [&](Json&) {
    touch(dir / "link/f"), touch(dir / "link/none"), touch(dir / "real/none"), touch("/usr/bin/none"), touch("/bin/none");
  };
  const auto traced = [&](const std::string& tier, const std::string& prefix, std::string& said) {
    Actor actor(deed);
    Tracer tracer("opensnoop", {"-j", "--hook", tier, "-p", actor.id(), "--path", prefix});
    const auto all = paths(trace(tracer, actor));
    said = tracer.err();
    return all;
  };
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    std::string said;
    const Paths both{path, dir / "link/none", dir / "real/none"};
    for (const std::string& prefix : {dir / "link/", dir / "link", dir / "link//./", dir / "real/../link/"}) {
      INFO(prefix);
      const auto all = traced(tier, prefix, said);
      CHECK(std::ranges::find(all, path) != all.end());
      CHECK(std::ranges::find(all, dir / "real/none") != all.end());
      CHECK(said.find(dir / "real") != said.npos);
    }
    CHECK(traced(tier, dir / "link/", said) == both);
    CHECK(std::count(said.begin(), said.end(), '\n') == 2);  // and that it is tracing
    CHECK(traced(tier, dir / "real/", said) == Paths{path, dir / "real/none"});
    CHECK(std::count(said.begin(), said.end(), '\n') == 1);
    struct stat st {};
    if (lstat("/bin", &st) == 0 && S_ISLNK(st.st_mode)) {
      CHECK(traced(tier, "/usr/bin/none", said) == Paths{"/usr/bin/none", "/bin/none"});
      CHECK(traced(tier, "/bin/none", said) == Paths{"/usr/bin/none", "/bin/none"});
    }
  }
}

TEST_CASE("EINTR once, or nothing: a waiting open that a signal interrupts") {
  TempDir dir;
  struct Case {
    const char* what;
    int flags, signal;
    bool handled, ends;
  };
  const std::vector<Case> cases{{"SA_RESTART", SA_RESTART, SIGUSR1, true, false},
                                {"no SA_RESTART", 0, SIGUSR1, true, true},
                                {"stopped", 0, SIGSTOP, false, false},
                                {"killed", 0, SIGKILL, false, true},
                                {"SIGTERM", 0, SIGTERM, false, true},
                                {"SIGCHLD", 0, SIGCHLD, false, false}};
  for (const bool compat : {false, true})
    for (const std::string& tier : tiers("opensnoop"))
      for (const Case& c : cases) {
        if (compat && !have_int80()) continue;
        const std::string fifo = dir / (std::string("fifo-") + tier + c.what + (compat ? "32" : ""));
        INFO(c.what << " " << tier << compat);
        check(mkfifo(fifo.c_str(), 0600), "mkfifo");
        Actor actor([&](Json&) {
          const pid_t waits = fork();
          if (waits == 0) {
            struct sigaction action {};
            action.sa_handler = [](int) {};
            action.sa_flags = c.flags;
            signal(SIGTERM, SIG_DFL);  // Catch has a handler
            if (c.handled) sigaction(c.signal, &action, nullptr);
            if (compat) int80(5, reinterpret_cast<long>(low(fifo)), O_RDONLY);
            else touch(fifo);
            _exit(0);
          }
          const auto state = [waits] {
            std::ifstream in("/proc/" + std::to_string(waits) + "/stat");
            std::string id, comm, word;
            in >> id >> comm >> word;
            return word;
          };
          while (state() != "S") sched_yield();
          kill(waits, c.signal);
          if (c.signal == SIGSTOP) {
            while (state() != "T") sched_yield();
            kill(waits, SIGCONT);
          }
          if (!c.ends) {
            usleep(20'000);  // it may be told wrongly meanwhile
            close(static_cast<int>(check(open(fifo.c_str(), O_WRONLY), "open")));
          }
          waitpid(waits, nullptr, 0);
        });
        Tracer tracer("opensnoop", {"-j", "--hook", tier, "--tree", actor.id(), "--path", fifo, "-f", "O_RDONLY"});
        const auto all = trace(tracer, actor);
        INFO(Json(all));
        REQUIRE(all.size() == 1);
        CHECK(all[0]["error"] == (c.ends ? Json("EINTR") : Json()));
        CHECK(all[0]["path"] == fifo);
      }
}
