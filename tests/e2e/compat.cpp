// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a real 32-bit program does (helpers/compat.c: i386 on x86-64, arm on arm64), under every tool.
#include "chmod.h"
#include "exec.h"
#include "net.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/wait.h>

#include <filesystem>

using namespace harness;

namespace {

#ifdef __x86_64__
constexpr int kOpen = 5, kCreat = 8, kExecve = 11, kChmod = 15, kMkdir = 39, kFchmod = 94, kOpenat = 295, kFchmodat = 306,
              kOpenByHandleAt = 342, kExecveat = 358, kConnect = 362, kSendto = 369, kOpenat2 = 437, kFchmodat2 = 452;
#else
constexpr int kOpen = 5, kCreat = 8, kExecve = 11, kChmod = 15, kMkdir = 39, kFchmod = 94, kOpenat = 322, kFchmodat = 333,
              kOpenByHandleAt = 371, kExecveat = 387, kConnect = 283, kSendto = 290, kOpenat2 = 437, kFchmodat2 = 452;
#endif

std::string hex(const void* bytes, std::size_t size) {
  std::string text = "x";
  for (std::size_t i = 0; i < size; i++) {
    char two[3];
    snprintf(two, sizeof two, "%02x", static_cast<const unsigned char*>(bytes)[i]);
    text += two;
  }
  return text;
}
std::string hex(const Address& a) { return hex(&a.storage, a.size); }

// The program, under a name that no other process has.
struct Program {
  TempDir dir;
  std::string name = "c32-" + std::to_string(getpid()), path = dir / name;
  Program() { std::filesystem::copy_file(std::filesystem::read_symlink("/proc/self/exe").parent_path() / "helper_compat", path); }
  Result call(int nr, Args args) const {
    args.insert(args.begin(), {path, std::to_string(nr)});
    return run(args);
  }
  bool runs() const { return call(kOpen, {"=/nonexistent", "0"}).status == 256 - ENOENT; }
};
#define NEEDS(program) \
  if (!(program).runs()) CANNOT_TEST("this kernel or processor runs no 32-bit programs")

// Calls of it, one after another under one tool, which shows one line of each: what `expected` says.
class Expect {
 public:
  Expect(const Program& program, const std::string& tool, const std::string& tier)
      : program_(program), tier_(tier), tracer_(tool, {"-j", "--hook", tier, "-n", program.name}) {}
  int operator()(int nr, const Args& args, Json expected) {
    const int status = program_.call(nr, args).status;
    expected["errno"] = status > 128 ? 256 - status : 0;
    expected_.push_back(std::move(expected));
    return status;
  }
  void compare() {
    tracer_.stop();
    CHECK(tracer_.status() == 0);
    CHECK(tracer_.lost() == 0);
    INFO(tier_ << "\n" << tracer_.out());
    auto events = tracer_.events();
    std::erase_if(events, [&](const Json& e) { return e.contains("exe") && e["exe"] == program_.path; });  // its own exec
    REQUIRE(events.size() == expected_.size());
    for (std::size_t i = 0; i < events.size(); i++)
      for (const auto& [key, value] : expected_[i].items()) {
        INFO(expected_[i].dump() << " " << key);
        CHECK((events[i].contains(key) ? events[i][key] : Json("MISSING")) == value);
      }
  }

 private:
  const Program& program_;
  const std::string tier_;
  Tracer tracer_;
  std::vector<Json> expected_;
};

Json with(Json a, const Json& b) {
  a.update(b);
  return a;
}

int inherited(int fd) {
  check(fcntl(fd, F_SETFD, 0), "F_SETFD");
  return fd;
}

}  // namespace

TEST_CASE("a 32-bit program opens files") {
  const Program program;
  NEEDS(program);
  TempDir dir;
  const std::string path = dir.file("f");
  const int dfd = inherited(static_cast<int>(check(open(dir.path().c_str(), O_RDONLY | O_DIRECTORY), "open")));
  const std::string at = std::to_string(dfd);
  const open_how how{.flags = O_WRONLY, .mode = 0, .resolve = RESOLVE_NO_XDEV};
  alignas(file_handle) char handle[sizeof(file_handle) + MAX_HANDLE_SZ] = {};
  auto* h = reinterpret_cast<file_handle*>(handle);
  h->handle_bytes = MAX_HANDLE_SZ;
  int mount;
  const bool handles = name_to_handle_at(AT_FDCWD, path.c_str(), h, &mount, 0) == 0;
  if (!handles) WARN("NOT TESTED: compat:open_by_handle_at, for want of handles in " << dir.path());
  for (const std::string& tier : tiers("opensnoop")) {
    Expect expect{program, "opensnoop", tier};
    const auto opens = [&](int nr, const Args& args, Json expected) {
      expected["src"] = tier == "tp" ? "fd" : "kernel";
      expected.update({{"path", path}, {"error", nullptr}, {"type", "file"}, {"perm", "0644"}, {"comm", program.name}});
      CHECK(expect(nr, args, expected) < 128);
    };
    opens(kOpen, {"=" + path, std::to_string(O_RDWR)}, {{"via", "compat:open"}, {"flags", "O_RDWR"}, {"requested", path}});
    opens(kCreat, {"=" + path, "384"},
          {{"via", "compat:creat"}, {"flags", "O_WRONLY|O_CREAT|O_TRUNC"}, {"mode", "0600"}, {"requested", path}});
    opens(kOpenat, {at, "=f", "0"}, {{"via", "compat:openat"}, {"flags", "O_RDONLY"}, {"requested", "f"}});
    opens(kOpenat2, {at, "=f", hex(&how, sizeof how), std::to_string(sizeof how)},
          {{"via", "compat:openat2"}, {"flags", "O_WRONLY"}, {"resolve", "NO_XDEV"}, {"requested", "f"}});
    if (handles)
      opens(kOpenByHandleAt, {at, hex(handle, sizeof(file_handle) + h->handle_bytes), "0"},
            {{"via", "compat:open_by_handle_at"}, {"flags", "O_RDONLY"}, {"requested", nullptr}});
    const Json failed{{"path", dir / "none"}, {"error", "ENOENT"}, {"fd", nullptr}, {"src", tier == "tp" ? "user" : "kernel"}};
    expect(kOpen, {"=" + (dir / "none"), "0"}, with(failed, {{"via", "compat:open"}}));
    expect(kOpenat, {at, "=none", "0"}, with(failed, {{"via", "compat:openat"}}));
    expect.compare();
  }
}

TEST_CASE("a 32-bit program changes modes, and makes a file and a directory of a dangerous mode") {
  const Program program;
  NEEDS(program);
  TempDir dir;
  const std::string path = dir.file("f"), at = std::to_string(AT_FDCWD), mode = std::to_string(04751);
  const int fd = inherited(static_cast<int>(check(open(path.c_str(), O_RDONLY), "open")));
  const bool fchmodat2 = program.call(kFchmodat2, {"-1", "=", "0", "0"}).status != 256 - ENOSYS;
  if (!fchmodat2) WARN("NOT TESTED: this kernel has no fchmodat2");
  umask(0);
  for (const std::string& tier : tiers("chmodsnoop")) {
    Expect expect{program, "chmodsnoop", tier};
    const auto changes = [&](int nr, const Args& args, Json expected) {
      check(chmod(path.c_str(), 0640), "chmod");
      expected.update({{"path", path}, {"error", nullptr}, {"new", "4751"}, {"mode", "4751"}, {"created", false}});
      if (tier == "fentry") expected["old"] = "0640";
      CHECK(expect(nr, args, expected) == 0);
    };
    changes(kChmod, {"=" + path, mode}, {{"via", "compat:chmod"}, {"requested", path}});
    changes(kFchmod, {std::to_string(fd), mode}, {{"via", "compat:fchmod"}, {"requested", nullptr}, {"old", "0640"}});
    changes(kFchmodat, {at, "=" + path, mode}, {{"via", "compat:fchmodat"}, {"requested", path}});
    if (fchmodat2)
      changes(kFchmodat2, {std::to_string(fd), "=", mode, std::to_string(AT_EMPTY_PATH)},
              {{"via", "compat:fchmodat2"}, {"flags", "AT_EMPTY_PATH"}, {"requested", nullptr}, {"old", "0640"}});
    const std::string file = dir / ("new-" + tier), made = dir / ("dir-" + tier);
    expect(kOpen, {"=" + file, std::to_string(O_CREAT | O_RDWR), std::to_string(04711)},
           {{"via", "compat:open"}, {"path", file}, {"new", "4711"}, {"risk", "setuid"}, {"created", true}});
    expect(kMkdir, {"=" + made, std::to_string(0777)},
           {{"via", "compat:mkdir"}, {"path", made}, {"new", "0777"}, {"risk", "world-writable"}, {"created", true}});
    expect.compare();
  }
}

TEST_CASE("a 32-bit program connects and sends") {
  const Program program;
  NEEDS(program);
  TempDir dir;
  const Address to = local_of(server(ip_address("127.0.0.1", 0))), none = closed_port(), absent = unix_address(dir / "absent");
  const std::string size = std::to_string(to.size);
  for (const std::string& tier : tiers("connectsnoop")) {
    Expect expect{program, "connectsnoop", tier};
    const auto connects = [&](int family, int type, const Address& a, const Json& expected) {
      const int fd = inherited(new_socket(family, type));
      expect(kConnect, {std::to_string(fd), hex(a), std::to_string(a.size)},
             with(expected, {{"via", "compat:connect"}, {"fd", fd}}));
      close(fd);
    };
    connects(AF_INET, SOCK_STREAM, to,
             {{"proto", "tcp"}, {"raddr", "127.0.0.1"}, {"rport", to.port()}, {"error", nullptr}, {"src", "kernel"}});
    connects(AF_INET, SOCK_STREAM, none,
             {{"proto", "tcp"}, {"raddr", "127.0.0.1"}, {"rport", none.port()}, {"error", "ECONNREFUSED"}});
    connects(AF_UNIX, SOCK_STREAM, absent,
             {{"proto", "unix"}, {"raddr", dir / "absent"}, {"error", "ENOENT"}, {"src", tier == "tp" ? "user" : "kernel"}});
    const int fd = inherited(new_socket(AF_INET, SOCK_DGRAM));
    CHECK(expect(kSendto, {std::to_string(fd), "=x", "1", "0", hex(to), size},
                 {{"via", "compat:sendto"},
                  {"fd", fd},
                  {"proto", "udp"},
                  {"raddr", "127.0.0.1"},
                  {"rport", to.port()},
                  {"error", nullptr}}) == 1);
    close(fd);
    expect.compare();
  }
}

TEST_CASE("a 32-bit program executes others") {
  const Program program;
  NEEDS(program);
  TempDir dir;
  const std::string path = argv_program(dir / (program.name + "x")), at = std::to_string(AT_FDCWD);
  for (const std::string& tier : tiers("execsnoop")) {
    Expect expect{program, "execsnoop", tier};
    const Json done{{"exe", path},     {"args", {"p", "", "32"}}, {"error", nullptr}, {"old_comm", program.name},
                    {"src", "kernel"}, {"via", "compat:execve"}};
    expect(kExecve, {"=" + path, "+", "p", "", "32"}, done);
    expect(kExecveat, {at, "=" + path, "+", "p", "", "32"}, with(done, {{"via", "compat:execveat"}}));
    expect(kExecve, {"=/nonexistent", "+", "p", "", "32"},
           {{"exe", "/nonexistent"},
            {"args", {"p", "", "32"}},
            {"error", "ENOENT"},
            {"via", "compat:execve"},
            {"src", tier == "tp" ? "user" : "kernel"}});
    expect.compare();
  }
}

#ifdef __x86_64__
namespace {

constexpr long kX32 = 0x40000000;
bool runs_x32() { return syscall(kX32 + SYS_getpid) == getpid(); }

// What has to be there for structures of 32-bit programs: addresses below 4 GiB.
char* low_memory() {
  void* p = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  if (p == MAP_FAILED) throw std::runtime_error("mmap");
  return static_cast<char*>(p);
}
unsigned low(const void* p) { return static_cast<unsigned>(reinterpret_cast<std::uintptr_t>(p)); }

}  // namespace

TEST_CASE("x32: x86's third way in has numbers of its own") {
  struct Case {
    std::string tool;
    std::function<long()> call;
    Json expected, works;  // in any case; if the kernel has x32
  };
  TempDir dir;
  const std::string file = dir.file("f"), none = dir / "none";
  char* const memory = low_memory();
  const Address to = ip_address("127.0.0.1", 9);
  const int udp = new_socket(AF_INET, SOCK_DGRAM), tcp = new_socket(AF_INET, SOCK_STREAM);
  const Case cases[] = {
      {"opensnoop",
       [&] { return syscall(kX32 + SYS_openat, AT_FDCWD, file.c_str(), O_RDONLY); },
       {{"via", "openat"}, {"path", file}},
       {{"src", "fd"}}},
      {"opensnoop", [&] { return syscall(kX32 + SYS_open, none.c_str(), O_RDONLY); }, {{"via", "open"}, {"path", none}}, {}},
      {"chmodsnoop",
       [&] { return syscall(kX32 + SYS_chmod, file.c_str(), 0640); },
       {{"via", "chmod"}, {"path", file}},
       {{"new", "0640"}}},
      {"connectsnoop",
       [&] { return syscall(kX32 + SYS_connect, tcp, to.get(), to.size); },
       {{"via", "connect"}, {"raddr", "127.0.0.1"}, {"rport", 9}},
       {}},
      {"connectsnoop",
       [&] {
         std::memcpy(memory + 512, to.get(), to.size);
         memory[600] = 'x';
         const unsigned data[] = {low(memory + 600), 1};
         std::memcpy(memory + 256, data, sizeof data);
         const unsigned message[] = {low(memory + 512), to.size, low(memory + 256), 1, 0, 0, 0};
         std::memcpy(memory, message, sizeof message);
         return syscall(kX32 + 518, udp, memory, 0);
       },
       {{"raddr", "127.0.0.1"}, {"rport", 9}, {"proto", "udp"}},
       {{"via", "compat:sendmsg"}}},
      {"execsnoop",
       [&] {
         const std::string program = "/usr/bin/true";
         std::memcpy(memory, "one", 4);
         const unsigned arguments[] = {low(memory), 0};
         std::memcpy(memory + 256, arguments, sizeof arguments);
         const pid_t child = static_cast<pid_t>(check(fork(), "fork"));
         if (child == 0) _exit(syscall(kX32 + 520, program.c_str(), memory + 256, nullptr) < 0 ? errno : 0);
         int status = 0;
         check(waitpid(child, &status, 0), "waitpid");
         errno = WEXITSTATUS(status);
         return errno ? -1L : 0L;
       },
       {{"via", "compat:execve"}, {"args", {"one"}}},
       {{"exe", "/usr/bin/true"}}},
  };
  const bool works = runs_x32();
  for (const std::string tool : {"opensnoop", "chmodsnoop", "connectsnoop", "execsnoop"})
    for (const std::string& tier : tiers(tool)) {
      if (!works && tier != "tp") continue;  // the kernel never gets to what is hooked there
      INFO(tool << " " << tier << (works ? "" : ", where the kernel has none"));
      Actor actor([&](Json& truth) {
        for (const Case& c : cases)
          if (c.tool == tool) truth["errnos"].push_back(c.call() < 0 ? errno : 0);
      });
      Json truth;
      Tracer tracer(tool, {"-j", "--hook", tier, "--tree", actor.id()});
      const auto events = trace(tracer, actor, &truth);
      std::size_t i = 0;
      for (const Case& c : cases) {
        if (c.tool != tool) continue;
        INFO(c.expected.dump());
        REQUIRE(i < events.size());
        Json expected = c.expected;
        expected["errno"] = truth["errnos"][i];
        if (works && c.works.is_object()) expected.update(c.works);
        for (const auto& [key, value] : expected.items()) {
          INFO(key << " " << events[i].dump());
          CHECK(events[i][key] == value);
        }
        i++;
      }
      CHECK(events.size() == i);
    }
}
#endif
