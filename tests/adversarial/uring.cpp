// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// io_uring as a way to hide, under every tool that sees its requests.
#include "chmod.h"
#include "harness.h"
#include "net.h"

#include <fcntl.h>
#include <liburing.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <set>

using namespace harness;

namespace {

struct Ring : io_uring {
  explicit Ring(unsigned entries, unsigned setup = 0) {
    if (const int e = io_uring_queue_init(entries, this, setup); e < 0) errno = -e, check(-1, "io_uring_queue_init");
  }
  ~Ring() { io_uring_queue_exit(this); }
  io_uring_sqe* next() {
    io_uring_sqe* s = io_uring_get_sqe(this);
    if (!s) throw std::runtime_error("the submission queue is full");
    return s;
  }
  // Fills the completion queue: what ends from now on overflows.
  void fill() {
    for (unsigned n = 0; n < *cq.kring_entries; n += *sq.kring_entries) {
      for (unsigned i = 0; i < *sq.kring_entries; i++) io_uring_prep_nop(next());
      check(io_uring_submit(this), "io_uring_submit");
    }
  }
};

// Makes what has been prepared visible to the kernel, as io_uring_submit() does.
[[maybe_unused]] void flush(Ring& ring) {
  for (; ring.sq.sqe_head != ring.sq.sqe_tail; ring.sq.sqe_head++) {
    const unsigned tail = *ring.sq.ktail;
    ring.sq.array[tail & *ring.sq.kring_mask] = ring.sq.sqe_head & *ring.sq.kring_mask;
    __atomic_store_n(ring.sq.ktail, tail + 1, __ATOMIC_RELEASE);
  }
}

// The names that the lines show, each of which may be there once.
std::set<std::string> names(const std::vector<Json>& events, const char* key = "path") {
  std::multiset<std::string> all;
  for (const Json& e : events) {
    INFO(e);
    CHECK(e["via"] == "io_uring");
    all.insert(e[key].get<std::string>());
  }
  const std::set<std::string> once(all.begin(), all.end());
  CHECK(once.size() == all.size());
  return once;
}

bool wait_for(const std::string& path) {
  for (int i = 0; i < 20000; i++) {
    if (access(path.c_str(), F_OK) == 0) return true;
    usleep(1000);
  }
  return false;
}

bool skips_completions() {
  io_uring_params params{};
  const long ring = syscall(SYS_io_uring_setup, 1, &params);
  if (ring >= 0) close(static_cast<int>(ring));
  return ring >= 0 && params.features & IORING_FEAT_CQE_SKIP;
}

// Whether the tier can see what overflows the completion queue: in tier tp by a tracepoint, io_uring_cqe_overflow, which 5.10 lacks.
bool sees_overflow(const std::string& tool, const std::string& tier) {
  const bool sees =
      tier != "tp" || run_tool(tool, {"-v", "--hook", tier, "-d", "0.01"}).err.find("_opt_overflow: taken") != std::string::npos;
  if (!sees) WARN("NOT TESTED in tier tp: this kernel has no tracepoint io_uring_cqe_overflow");
  return sees;
}

}  // namespace

TEST_CASE("opens whose completion queue is full, all of one name") {
  if (!have_io_uring()) CANNOT_TEST("no io_uring");
  for (const std::string& tier : tiers("opensnoop"))
    for (const unsigned long name : {0ul, 7ul}) {
      if (!sees_overflow("opensnoop", tier)) continue;
      INFO(tier << ", user_data " << name);
      const TempDir dir;
      std::set<std::string> done;
      for (int i = 0; i < 12; i++) done.insert(i % 3 ? dir.file("f" + std::to_string(i)) : dir / ("none" + std::to_string(i)));
      const auto events = trace("opensnoop", {"--hook", tier, "--path", dir.path()}, [&](Json& t) {
        Ring ring(4);
        ring.fill();
        int last = open("/dev/null", O_RDONLY);
        for (const std::string& path : done) {
          io_uring_sqe* s = ring.next();
          io_uring_prep_openat(s, AT_FDCWD, path.c_str(), O_RDONLY, 0);
          s->user_data = name;
          check(io_uring_submit(&ring), "io_uring_submit");
        }
        int opened = 0;
        // Those that a worker does are waited for: the end of the ring would cancel them.
        io_uring_cqe* cqe = nullptr;
        for (std::size_t n = 0; n < *ring.cq.kring_entries + done.size(); n++) {
          check(io_uring_wait_cqe(&ring, &cqe), "io_uring_wait_cqe");
          io_uring_cqe_seen(&ring, cqe);
        }
        for (int fd = last; fd < last + 64; fd++) {
          char link[64], target[4096];
          snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
          const ssize_t n = readlink(link, target, sizeof target);
          if (n > 0 && std::string(target, static_cast<std::size_t>(n)).find(dir.path()) == 0) opened++;
        }
        t = opened;
      });
      CHECK(names(events) == done);
      for (const Json& e : events)
        CHECK(e["error"] == (e["path"].get<std::string>().find("none") == std::string::npos ? Json() : Json("ENOENT")));
    }
}

TEST_CASE("a setuid file made through a full completion queue, into a slot, without a completion") {
  if (!have_io_uring()) CANNOT_TEST("no io_uring");
  enum { full, slot, any_slot, skipped, full_slot };
  for (const std::string& tier : tiers("chmodsnoop"))
    for (const int how : {full, slot, any_slot, skipped, full_slot}) {
      INFO(tier << ", way " << how);
      if (how == skipped && !skips_completions()) continue;
      if ((how == full || how == full_slot) && !sees_overflow("chmodsnoop", tier)) continue;
      const TempDir dir;
      const std::string path = dir / "setuid";
      const auto events = trace("chmodsnoop", {"--hook", tier, "--risky"}, [&](Json&) {
        umask(022);
        Ring ring(4);
        const std::vector<int> none(4, -1);
        if (how == slot || how == any_slot || how == full_slot)
          check(io_uring_register_files(&ring, none.data(), 4), "register_files");
        if (how == full || how == full_slot) ring.fill();
        io_uring_sqe* s = ring.next();
        if (how == slot || how == full_slot) io_uring_prep_openat_direct(s, AT_FDCWD, path.c_str(), O_CREAT | O_WRONLY, 04777, 1);
        else if (how == any_slot)
          io_uring_prep_openat_direct(s, AT_FDCWD, path.c_str(), O_CREAT | O_WRONLY, 04777, IORING_FILE_INDEX_ALLOC);
        else io_uring_prep_openat(s, AT_FDCWD, path.c_str(), O_CREAT | O_WRONLY, 04777);
        if (how == skipped) s->flags |= IOSQE_CQE_SKIP_SUCCESS;
        check(how == slot || how == any_slot ? io_uring_submit_and_wait(&ring, 1) : io_uring_submit(&ring), "io_uring_submit");
        if (how != any_slot && !wait_for(path)) throw std::runtime_error("not created");
        io_uring_get_events(&ring);
      });
      struct stat st {};
      if (how == any_slot && stat(path.c_str(), &st) != 0) continue;  // before 5.19
      REQUIRE(stat(path.c_str(), &st) == 0);
      CHECK((st.st_mode & 07777) == 04755);
      INFO(Json(events));
      REQUIRE(events.size() == 1);
      CHECK(events[0]["path"] == path);
      CHECK(events[0]["mode"] == "4777");
      CHECK(events[0]["via"] == "io_uring");
      CHECK(events[0]["risk"] != nullptr);
      const bool known = how != skipped || tier != "tp";
      CHECK(events[0]["new"] == (known ? Json("4755") : Json()));
      CHECK(events[0]["created"] == (known ? Json(true) : Json()));
    }
}

TEST_CASE("an io_uring open of what is there already creates nothing") {
  if (!have_io_uring()) CANNOT_TEST("no io_uring");
  for (const std::string& tier : tiers("chmodsnoop"))
    for (const bool fixed : {false, true}) {
      INFO(tier << fixed);
      const TempDir dir;
      const std::string path = dir.file("there");
      const auto events = trace("chmodsnoop", {"--hook", tier}, [&](Json&) {
        umask(0);
        Ring ring(4);
        const std::vector<int> none(4, -1);
        check(io_uring_register_files(&ring, none.data(), 4), "register_files");
        io_uring_sqe* s = ring.next();
        if (fixed) io_uring_prep_openat_direct(s, AT_FDCWD, path.c_str(), O_CREAT | O_WRONLY, 04777, 1);
        else io_uring_prep_openat(s, AT_FDCWD, path.c_str(), O_CREAT | O_WRONLY, 04777);
        check(io_uring_submit_and_wait(&ring, 1), "io_uring_submit");
      });
      CHECK(events.empty());
    }
}

namespace {

// How a request gets to be worked on.
enum class Road { plain, async, poller, behind_write, linked };
const Road kRoads[] = {Road::plain, Road::async, Road::poller, Road::behind_write, Road::linked};
const char* const kRoadNames[] = {"plain", "async", "by the poller", "at the end of a write", "linked"};

// One request by that road, to its end. Returns its result.
int take(Road road, Ring& ring, const std::function<void(io_uring_sqe*)>& prepare) {
  int pipe_fds[2] = {-1, -1};
  constexpr unsigned long kName = 7;
  if (road == Road::behind_write || road == Road::linked) {
    io_uring_sqe* s = ring.next();
    if (road == Road::behind_write) check(pipe(pipe_fds), "pipe"), io_uring_prep_poll_add(s, pipe_fds[0], POLLIN);
    else io_uring_prep_nop(s);
    s->flags |= IOSQE_IO_LINK;
  }
  io_uring_sqe* s = ring.next();
  prepare(s);
  s->user_data = kName;
  if (road == Road::async) s->flags |= IOSQE_ASYNC;
  check(io_uring_submit(&ring), "io_uring_submit");
  if (road == Road::behind_write) check(write(pipe_fds[1], "x", 1), "write");
  for (;;) {
    io_uring_cqe* cqe = nullptr;
    check(io_uring_wait_cqe(&ring, &cqe), "io_uring_wait_cqe");
    const int res = cqe->res;
    const bool is_it = cqe->user_data == kName;
    io_uring_cqe_seen(&ring, cqe);
    if (!is_it) continue;
    if (road == Road::behind_write) close(pipe_fds[0]), close(pipe_fds[1]);
    return res;
  }
}

// Refuses the next open in a directory, when the file has been made.
class Refuser {
 public:
  explicit Refuser(const std::string& dir) : fd_(fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY)) {
    works_ = fd_ >= 0 && fanotify_mark(fd_, FAN_MARK_ADD, FAN_OPEN_PERM | FAN_EVENT_ON_CHILD, AT_FDCWD, dir.c_str()) == 0;
    if (works_)
      thread_ = std::thread([this] {
        fanotify_event_metadata m{};
        if (read(fd_, &m, sizeof m) < static_cast<ssize_t>(sizeof m)) return;
        const fanotify_response no{m.fd, FAN_DENY};
        static_cast<void>(!write(fd_, &no, sizeof no));
        close(m.fd);
      });
  }
  ~Refuser() {
    if (works_) thread_.join();
    if (fd_ >= 0) close(fd_);
  }
  Refuser(const Refuser&) = delete;
  Refuser& operator=(const Refuser&) = delete;
  bool works() const { return works_; }

 private:
  int fd_;
  bool works_ = false;
  std::thread thread_;
};

}  // namespace

TEST_CASE("files that io_uring makes by opens which fail") {
  if (!have_io_uring()) CANNOT_TEST("no io_uring");
  enum How { direct, slot, no_table, refused };
  const char* const hows[] = {"O_DIRECT on ramfs", "a slot beyond the table", "a slot without a table", "refused by fanotify"};
  const TempDir top;
  struct Way {
    How how;
    Road road;
    std::string dir;
  };
  std::vector<Way> ways;
  for (const How how : {direct, slot, no_table, refused})
    for (const Road road : kRoads) ways.push_back({how, road, {}});
  for (const std::string& tier : tiers("chmodsnoop")) {
    std::vector<std::function<void(Json&)>> deeds;
    for (Way& way : ways) {
      way.dir = top / (tier + std::to_string(deeds.size()));
      check(mkdir(way.dir.c_str(), 0755), "mkdir");
      deeds.emplace_back([way](Json& t) {
        const std::string path = way.dir + "/made";
        umask(0);
        if (way.how == direct) {
          check(unshare(CLONE_NEWNS), "unshare");
          check(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount private");
          check(mount("none", way.dir.c_str(), "ramfs", 0, nullptr), "mount");
        }
        Ring ring(8, way.road == Road::poller ? IORING_SETUP_SQPOLL : 0);
        if (way.how == slot) {
          const std::vector<int> none(2, -1);
          check(io_uring_register_files(&ring, none.data(), 2), "register_files");
        }
        const auto open_by = [&](const std::string& name) {
          return take(way.road, ring, [&](io_uring_sqe* s) {
            const int flags = O_CREAT | O_WRONLY | (way.how == direct ? O_DIRECT : 0);
            if (way.how == slot || way.how == no_table) io_uring_prep_openat_direct(s, AT_FDCWD, name.c_str(), flags, 04777, 5);
            else io_uring_prep_openat(s, AT_FDCWD, name.c_str(), flags, 04777);
          });
        };
        if (way.how == refused) {
          const Refuser refuser(way.dir);
          if (!refuser.works()) return;
          t["res"] = open_by(path);
        } else {
          t["res"] = open_by(path);
        }
        struct stat st {};
        t["mode"] = stat(path.c_str(), &st) == 0 ? st.st_mode & 07777 : 0;
        if (way.how == refused) return;
        open_by(path);                  // it is there already
        open_by(way.dir + "/no/made");  // nothing is made
      });
    }
    const auto all = trace_each("chmodsnoop", {"-e", "--hook", tier}, deeds, [](pid_t) {});
    for (std::size_t i = 0; i < ways.size(); i++) {
      const How how = ways[i].how;
      const Json& truth = all[i].truth;
      const auto& events = all[i].events;
      INFO(tier << ": " << hows[how] << ", " << kRoadNames[static_cast<int>(ways[i].road)] << truth << Json(events).dump());
      if (truth["mode"] != 04777) {
        WARN("NOT TESTED: " << hows[how] << ": the file does not stay here");
        continue;
      }
      // fentry sees the file before the slot is refused.
      const bool told = tier == "fentry" || tells_inode(tier, how == direct ? "/dev/shm" : top.path());
      const bool open_by_then = tier == "fentry" && (how == slot || how == no_table);
      REQUIRE(truth["res"] < 0);
      REQUIRE(!events.empty());
      // Of the second open nobody can say that it made nothing, where not all file systems tell of what is made: its line says so.
      if (tells_inode(tier, "/dev/shm")) CHECK(events.size() == 1);
      for (std::size_t j = 1; j < events.size(); j++) {
        CHECK(events[j]["created"].is_null());
        CHECK(events[j]["risk_unsure"] == true);
      }
      const Json& e = events[0];
      CHECK(e["path"] == ways[i].dir + "/made");
      CHECK(e["errno"] == (open_by_then ? 0 : -truth["res"].get<int>()));
      CHECK(e["via"] == "io_uring");
      CHECK(e["mode"] == "4777");
      CHECK(e["risk"] == "setuid,world-writable");
      CHECK(e["src"] == "kernel");
      CHECK(e["new"] == (told ? Json("4777") : Json()));
      CHECK(e["created"] == (told ? Json(true) : Json()));
      CHECK(e.contains("risk_unsure") == !told);
      CHECK(e["inode"].is_null() == !told);
    }
  }
}

TEST_CASE("a setuid file without a name made by io_uring, and one below a directory that is the root") {
  if (!have_io_uring()) CANNOT_TEST("no io_uring");
  const TempDir dir;
  int n = 0;
  for (const std::string& tier : tiers("chmodsnoop")) {
    INFO(tier);
    const std::string name = "below" + std::to_string(n++);
    const auto events = trace("chmodsnoop", {"--hook", tier}, [&](Json&) {
      umask(0);
      Ring ring(4);
      check(take(Road::plain, ring,
                 [&](io_uring_sqe* s) { io_uring_prep_openat(s, AT_FDCWD, dir.path().c_str(), O_TMPFILE | O_RDWR, 04711); }),
            "O_TMPFILE");
      const int d = static_cast<int>(check(open(dir.path().c_str(), O_PATH), "open"));
      open_how how{.flags = O_CREAT | O_WRONLY, .mode = 04711, .resolve = RESOLVE_IN_ROOT};
      const std::string up = "/../../" + name;
      check(take(Road::plain, ring, [&](io_uring_sqe* s) { io_uring_prep_openat2(s, d, up.c_str(), &how); }), "RESOLVE_IN_ROOT");
    });
    INFO(Json(events).dump());
    REQUIRE(events.size() == 2);
    for (const Json& e : events) {
      CHECK(e["new"] == "4711");
      CHECK(e["risk"] == "setuid");
      CHECK(e["created"] == true);
      CHECK(e["src"] == (tells_inode(tier, dir.path()) ? "kernel" : "fd"));
    }
    CHECK(events[0]["deleted"] == true);
    CHECK(events[1]["path"] == dir / name);
  }
}

TEST_CASE("several files made in one io_uring_enter, some of them linked: each has its line, its mode and its outcome") {
  if (!have_io_uring()) CANNOT_TEST("no io_uring");
  const unsigned modes[] = {04755, 02755, 0666, 0644, 04711, 01777, 06777, 0602};
  for (const std::string& tier : tiers("chmodsnoop")) {
    const TempDir dir;
    const bool told = tells_inode(tier, dir.path());
    const auto name = [&](std::size_t deed, std::size_t i) { return dir / (std::to_string(deed) + "f" + std::to_string(i)); };
    std::vector<std::function<void(Json&)>> deeds;
    for (std::size_t deed = 0; deed < 4; deed++)
      deeds.emplace_back([&, deed](Json&) {
        const bool link = deed & 1;
        umask(0);
        Ring ring(16, deed & 2 ? IORING_SETUP_SQPOLL : 0);
        std::vector<std::string> names;
        for (std::size_t i = 0; i < std::size(modes); i++) names.push_back(name(deed, i));
        for (std::size_t i = 0; i < std::size(modes); i++) {
          io_uring_sqe* s = ring.next();
          // Every other one goes into a slot that does not exist.
          if (!link && i % 2)
            io_uring_prep_openat_direct(s, AT_FDCWD, names[i].c_str(), O_CREAT | O_WRONLY | O_EXCL, modes[i], 3);
          else io_uring_prep_openat(s, AT_FDCWD, names[i].c_str(), O_CREAT | O_WRONLY, modes[i]);
          if (link && i + 1 < std::size(modes)) s->flags |= IOSQE_IO_LINK;
        }
        check(io_uring_submit(&ring), "io_uring_submit");
        for (std::size_t i = 0; i < std::size(modes); i++) {
          io_uring_cqe* cqe = nullptr;
          check(io_uring_wait_cqe(&ring, &cqe), "io_uring_wait_cqe");
          io_uring_cqe_seen(&ring, cqe);
        }
      });
    const auto all = trace_each("chmodsnoop", {"-e", "--hook", tier}, deeds, [](pid_t) {});
    for (std::size_t deed = 0; deed < deeds.size(); deed++) {
      const bool link = deed & 1;
      INFO(tier << (deed & 2 ? ", by the poller" : "") << (link ? ", linked" : "") << Json(all[deed].events).dump());
      std::map<std::string, Json> lines;
      for (const Json& e : all[deed].events) CHECK(lines.emplace(e["path"].get<std::string>(), e).second);
      std::size_t dangerous = 0;
      for (std::size_t i = 0; i < std::size(modes); i++) {
        struct stat st {};
        const std::string path = name(deed, i);
        REQUIRE(stat(path.c_str(), &st) == 0);
        REQUIRE((st.st_mode & 07777) == modes[i]);
        if (!(modes[i] & 06002)) continue;
        dangerous++;
        INFO(path);
        REQUIRE(lines.count(path) == 1);
        const Json& e = lines[path];
        const bool fails = !link && i % 2;
        char octal[8];
        snprintf(octal, sizeof octal, "%04o", modes[i]);
        if (told || !fails) CHECK(e["new"] == octal);
        CHECK(e["mode"] == octal);
        REQUIRE(e["errno"].is_number());
        CHECK((e["errno"] != 0) == (fails && tier == "tp"));
      }
      CHECK(lines.size() == dangerous);
    }
  }
}

TEST_CASE("requests whose ends were not seen do not become another process's") {
  if (!have_io_uring()) CANNOT_TEST("no io_uring");
  enum { overflows, waits, killed };
  const char* const hows[] = {"the queue is full", "they wait when the ring is closed", "they wait when the process is killed"};
  for (const std::string& tier : tiers("opensnoop"))
    for (const int how : {overflows, waits, killed}) {
      INFO(tier << ": " << hows[how]);
      if (how == overflows && !sees_overflow("opensnoop", tier)) continue;
      const TempDir dir;
      const std::string fifo = dir / "fifo", path = dir.file("f");
      check(mkfifo(fifo.c_str(), 0666), "mkfifo");
      constexpr int kTimes = 16;
      Tracer tracer("opensnoop", {"-j", "-e", "--hook", tier, "-n", "leaves-them", "--buffer", "64M"});
      int started[2];
      check(pipe(started), "pipe");
      const pid_t leaves = fork();
      if (leaves == 0) {
        prctl(PR_SET_NAME, "leaves-them");
        try {
          Ring ring(32);
          if (how == overflows) ring.fill();
          for (int i = 0; i < kTimes; i++) {
            io_uring_sqe* s = ring.next();
            io_uring_prep_openat(s, AT_FDCWD, how == overflows ? path.c_str() : fifo.c_str(), O_RDONLY, 0);
            s->user_data = 5;
          }
          check(io_uring_submit(&ring), "io_uring_submit");
          static_cast<void>(!write(started[1], "x", 1));
          if (how == killed) pause();
        } catch (...) {
          _exit(1);
        }
        _exit(0);
      }
      char c;
      check(read(started[0], &c, 1), "read");
      if (how == killed) kill(leaves, SIGKILL);
      check(waitpid(leaves, nullptr, 0), "waitpid");
      // Memory of requests is used again, soonest by those who come next: here, with the same names, and results of all kinds.
      for (int round = 0; round < 4; round++) {
        const pid_t innocent = fork();
        if (innocent == 0) {
          prctl(PR_SET_NAME, "innocent");
          try {
            Ring ring(64);
            for (int i = 0; i < 60; i++) {
              io_uring_sqe* s = ring.next();
              if (i % 3 == 0) io_uring_prep_nop(s);
              else io_uring_prep_openat(s, AT_FDCWD, i % 3 == 1 ? "/dev/null" : "/none", O_RDONLY, 0);
              s->user_data = 5;
            }
            check(io_uring_submit_and_wait(&ring, 60), "io_uring_submit");
          } catch (...) {
            _exit(1);
          }
          _exit(0);
        }
        int status = 0;
        check(waitpid(innocent, &status, 0), "waitpid");
        CHECK(status == 0);
      }
      close(started[0]), close(started[1]);
      tracer.stop();
      CHECK(tracer.lost() == 0);
      int lines = 0;
      for (const Json& e : tracer.events()) {
        INFO(e);
        if (e["via"] != "io_uring") continue;
        lines++;
        CHECK(e["pid"] == leaves);
        CHECK(e["comm"] == "leaves-them");
        CHECK(e["path"] == (how == overflows ? path : fifo));
      }
      CHECK(lines == kTimes);
    }
}

TEST_CASE("connects whose completion queue is full") {
  if (!have_io_uring()) CANNOT_TEST("no io_uring");
  for (const std::string& tier : tiers("connectsnoop")) {
    if (!sees_overflow("connectsnoop", tier)) continue;
    INFO(tier);
    const TempDir dir;
    const std::string path = dir / "s";
    const int l = server(unix_address(path));
    const int u = server(ip_address("127.0.0.1", 0), SOCK_DGRAM);
    const Address udp = local_of(u);
    const auto events = trace("connectsnoop", {"--hook", tier}, [&](Json& t) {
      Ring ring(4);
      ring.fill();
      const int a = new_socket(AF_UNIX, SOCK_STREAM), b = new_socket(AF_INET, SOCK_DGRAM);
      const Address to = unix_address(path);
      io_uring_prep_connect(ring.next(), a, to.get(), to.size);
      io_uring_prep_connect(ring.next(), b, udp.get(), udp.size);
      check(io_uring_submit(&ring), "io_uring_submit");
      sockaddr_storage peer{};
      socklen_t size = sizeof peer;
      t = getpeername(a, reinterpret_cast<sockaddr*>(&peer), &size) == 0 &&
          (size = sizeof peer, getpeername(b, reinterpret_cast<sockaddr*>(&peer), &size) == 0);
    });
    CHECK(names(events, "raddr") == std::set<std::string>{path, "127.0.0.1"});
    for (const Json& e : events) CHECK(e["errno"] == 0);
    close(l), close(u);
  }
}

TEST_CASE("a result that the process overwrites in the completion queue") {
  if (!have_io_uring()) CANNOT_TEST("no io_uring");
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    const TempDir dir;
    const std::string path = dir.file("f");
    const unsigned times = many(1000);
    const auto events = trace("opensnoop", {"--hook", tier, "--path", dir.path()}, [&](Json&) {
      Ring ring(4);
      const Meddler meddler([&](long n) {
        __atomic_store_n(&ring.cq.cqes[static_cast<unsigned long>(n) & *ring.cq.kring_mask].res, -ENOENT, __ATOMIC_RELAXED);
      });
      meddler.wait();
      for (unsigned n = 0; n < times; n++) {
        io_uring_prep_openat(ring.next(), AT_FDCWD, path.c_str(), O_RDONLY, 0);
        check(io_uring_submit_and_wait(&ring, 1), "io_uring_submit_and_wait");
        io_uring_cqe* done = nullptr;
        check(io_uring_wait_cqe(&ring, &done), "io_uring_wait_cqe");
        io_uring_cqe_seen(&ring, done);
        for (int fd = 3; fd < 16; fd++) {  // the result cannot be trusted here either
          char link[64], at[4096];
          snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
          const ssize_t size = readlink(link, at, sizeof at);
          if (size > 0 && std::string(at, static_cast<std::size_t>(size)) == path) close(fd);
        }
      }
    });
    CHECK(events.size() == times);
    for (const Json& e : events) REQUIRE(e["error"].is_null());
  }
}

// Links a request behind a poll of a pipe: it runs at the end of the write that makes the pipe readable.
template <class F> static void behind_write(F prepare) {
  Ring ring(8);
  int pipe_fds[2];
  check(pipe(pipe_fds), "pipe");
  io_uring_sqe* s = ring.next();
  io_uring_prep_poll_add(s, pipe_fds[0], POLLIN);
  s->flags |= IOSQE_IO_LINK;
  prepare(ring.next());
  check(io_uring_submit(&ring), "io_uring_submit");
  check(write(pipe_fds[1], "x", 1), "write");
  for (int i = 0; i < 100; i++) getppid();
  io_uring_cqe* cqe = nullptr;
  for (int i = 0; i < 2; i++) io_uring_wait_cqe(&ring, &cqe), io_uring_cqe_seen(&ring, cqe);
}

TEST_CASE("an open and connects that run at the end of another system call") {
  if (!have_io_uring()) CANNOT_TEST("no io_uring");
  const TempDir dir;
  const std::string path = dir.file("f"), socket_path = dir / "s";
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    const auto events = trace("opensnoop", {"--hook", tier, "--path", dir.path()}, [&](Json&) {
      behind_write([&](io_uring_sqe* s) { io_uring_prep_openat(s, AT_FDCWD, path.c_str(), O_RDONLY, 0); });
    });
    CHECK(names(events) == std::set<std::string>{path});
  }
  const int t = server(ip_address("127.0.0.1", 0)), l = server(unix_address(socket_path)),
            u = server(ip_address("127.0.0.2", 0), SOCK_DGRAM);
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    for (const Address& to : {local_of(t), unix_address(socket_path), local_of(u)}) {
      const bool unix_socket = to.get()->sa_family == AF_UNIX;
      const auto events = trace("connectsnoop", {"--hook", tier}, [&](Json&) {
        const int fd = new_socket(to.get()->sa_family, to.ip() == "127.0.0.2" ? SOCK_DGRAM : SOCK_STREAM);
        behind_write([&](io_uring_sqe* s) { io_uring_prep_connect(s, fd, to.get(), to.size); });
        sockaddr_storage peer{};
        socklen_t size = sizeof peer;
        check(getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size), "getpeername");
      });
      CHECK(names(events, "raddr") == std::set<std::string>{unix_socket ? socket_path : to.ip()});
    }
  }
  close(t), close(l), close(u);
}

#if defined(__x86_64__)
TEST_CASE("io_uring_enter with rubbish in the upper half of its number") {
  if (!have_io_uring()) CANNOT_TEST("no io_uring");
  const TempDir dir;
  const std::string path = dir.file("f");
  const int l = server(ip_address("127.0.0.1", 0));
  const Address to = local_of(l);
  const auto enter = [](Ring& ring, unsigned n) {
    flush(ring);
    long ret;
    register long r10 asm("r10") = IORING_ENTER_GETEVENTS, r8 asm("r8") = 0, r9 asm("r9") = 0;
    asm volatile("syscall"
                 : "=a"(ret)
                 : "a"(0x500000000l | SYS_io_uring_enter), "D"(long(ring.ring_fd)), "S"(long(n)), "d"(long(n)), "r"(r10), "r"(r8),
                   "r"(r9)
                 : "rcx", "r11", "memory");
    return ret;
  };
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    Json truth;
    const auto events = trace(
        "opensnoop", {"--hook", tier, "--path", dir.path()},
        [&](Json& t) {
          Ring ring(4);
          io_uring_prep_openat(ring.next(), AT_FDCWD, path.c_str(), O_RDONLY, 0);
          t = enter(ring, 1);
        },
        &truth);
    if (truth == -ENOSYS) CANNOT_TEST("this kernel takes all of the number");
    CHECK(names(events) == std::set<std::string>{path});
  }
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    const auto events = trace("connectsnoop", {"--hook", tier}, [&](Json&) {
      Ring ring(4);
      io_uring_prep_connect(ring.next(), new_socket(AF_INET, SOCK_STREAM), to.get(), to.size);
      enter(ring, 1);
    });
    CHECK(names(events, "raddr") == std::set<std::string>{to.ip()});
  }
  close(l);
}
#endif

TEST_CASE("requests of one process that fill the table hide none of another's, nor their own") {
  if (!have_io_uring()) CANNOT_TEST("no io_uring");
  const unsigned times = 1500;
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    const TempDir dir;
    const std::string fifo = dir / "fifo", path = dir.file("f");
    check(mkfifo(fifo.c_str(), 0600), "mkfifo");
    Tracer tracer("opensnoop", {"-j", "-e", "--hook", tier, "--path", dir.path(), "--buffer", "64M"});
    Actor hog([&](Json&) {
      Ring ring(64);
      for (unsigned i = 0; i < times; i += 50) {
        for (int j = 0; j < 50; j++) io_uring_prep_openat(ring.next(), AT_FDCWD, fifo.c_str(), O_RDONLY, 0);
        check(io_uring_submit(&ring), "io_uring_submit");
      }
    });
    hog.act();
    Actor victim([&](Json&) {
      Ring ring(8);
      for (int i = 0; i < 5; i++) io_uring_prep_openat(ring.next(), AT_FDCWD, path.c_str(), O_RDONLY, 0);
      check(io_uring_submit_and_wait(&ring, 5), "io_uring_submit");
    });
    victim.act();
    usleep(300000);  // for the hog's requests to be cancelled
    tracer.stop();
    unsigned own = 0, others = 0;
    for (const Json& e : tracer.events()) (e["path"] == path ? others : own) += 1;
    CHECK(others == 5);
    CHECK(tracer.lost() == 0);
    if (tier == "tp") CHECK(own == times);
  }
}

TEST_CASE("a personality of io_uring: whose process it is") {
  if (!have_io_uring()) CANNOT_TEST("no io_uring");
  const TempDir dir;
  const std::string path = dir.file("secret", "x", 0600);
  check(chmod(dir.path().c_str(), 0755), "chmod");
  for (const std::string& tier : tiers("opensnoop"))
    for (const bool async : {false, true}) {
      INFO(tier << (async ? ", by a worker" : ""));
      Json truth;
      const auto events = trace(
          "opensnoop", {"--hook", tier, "-u", "65534"},
          [&](Json& t) {
            Ring ring(4);
            const int root = io_uring_register_personality(&ring);
            check(root, "register_personality");
            check(setuid(65534), "setuid");
            if (open(path.c_str(), O_RDONLY) >= 0) throw std::runtime_error("it may be opened by all");
            io_uring_sqe* s = ring.next();
            io_uring_prep_openat(s, AT_FDCWD, path.c_str(), O_RDONLY, 0);
            s->personality = static_cast<__u16>(root);
            if (async) s->flags |= IOSQE_ASYNC;
            check(io_uring_submit_and_wait(&ring, 1), "io_uring_submit");
            io_uring_cqe* cqe = nullptr;
            io_uring_wait_cqe(&ring, &cqe);
            t = cqe->res;
          },
          &truth);
      CHECK(truth.get<int>() >= 0);
      INFO(Json(events));
      REQUIRE(events.size() == 2);
      CHECK(events[1]["uid"] == 65534);
      CHECK(events[1]["euid"] == 0);
      CHECK(events[1]["path"] == path);
      CHECK(events[1]["error"].is_null());
    }
}

TEST_CASE("requests that a failed one before them cancels") {
  if (!have_io_uring()) CANNOT_TEST("no io_uring");
  const TempDir dir;
  const std::string none = dir / "none", path = dir.file("f");
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    const auto events = trace("opensnoop", {"--hook", tier, "--path", dir.path()}, [&](Json&) {
      Ring ring(4);
      io_uring_sqe* s = ring.next();
      io_uring_prep_openat(s, AT_FDCWD, none.c_str(), O_RDONLY, 0);
      s->flags |= IOSQE_IO_LINK;
      io_uring_prep_openat(ring.next(), AT_FDCWD, path.c_str(), O_RDONLY, 0);
      check(io_uring_submit_and_wait(&ring, 2), "io_uring_submit");
    });
    CHECK(names(events) == std::set<std::string>{none, path});
    for (const Json& e : events) CHECK(e["error"] == (e["path"] == path ? "ECANCELED" : "ENOENT"));
  }
}
