// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Kernels without BTF of their own. One that has is made to hide it from the tools: it still has it, but they
// find no types for typed tracepoints, and have to do with numbers. $NEEDLE_BTF: the file with this kernel's types,
// for a kernel that really has none.
#include "harness.h"
#include "net.h"

#include <fcntl.h>
#include <liburing.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

using namespace harness;

namespace {

// The command, where the kernel's types are not to be seen.
Args without_btf(const std::string& tool, Args args) {
  args = command_of(tool, std::move(args));
  const Args hide{"unshare", "-m", "bash", "-c",
                  "mount --make-rprivate / && mount --bind /dev/null /sys/kernel/btf/vmlinux && exec \"$0\" \"$@\""};
  args.insert(args.begin(), hide.begin(), hide.end());
  return args;
}

std::string types_in(const TempDir& dir) {
  if (const char* given = std::getenv("NEEDLE_BTF")) return given;
  std::filesystem::copy_file("/sys/kernel/btf/vmlinux", dir / "types");
  return dir / "types";
}

// What happens in `dir`, or by the process that does the deed, under one tool.
std::vector<Json> trace_without_btf(const std::string& tool, const TempDir& dir, std::function<void(Json&)> deed) {
  Actor actor(std::move(deed));
  const bool by_path = tool == "execsnoop";
  Tracer tracer(
      without_btf(tool, {"-v", "-j", "--btf", types_in(dir), by_path ? "--path" : "-p", by_path ? dir.path() : actor.id()}));
  actor.act();
  tracer.stop();
  INFO(tracer.err());
  CHECK(tracer.status() == 0);
  CHECK(tracer.lost() == 0);
  CHECK(tracer.err().find("it needs types of the kernel's own") != std::string::npos);  // what it has refused
  return tracer.events();
}

}  // namespace

TEST_CASE("opensnoop with --btf: by name, failed, 32-bit, io_uring") {
  TempDir dir;
  const std::string path = dir.file("f"), none = dir / "none";
  const auto events = trace_without_btf("opensnoop", dir, [&](Json&) {
    check(open(path.c_str(), O_RDWR), "open");
    static_cast<void>(open(none.c_str(), O_RDONLY));
    if (have_int80()) int80(5, reinterpret_cast<long>(low(path)), O_RDONLY);
    io_uring ring;
    if (io_uring_queue_init(4, &ring, 0) < 0) return;
    io_uring_prep_openat(io_uring_get_sqe(&ring), AT_FDCWD, path.c_str(), O_RDONLY, 0);
    check(io_uring_submit_and_wait(&ring, 1), "io_uring_submit_and_wait");
    io_uring_queue_exit(&ring);
  });
  INFO(Json(events).dump());
  const auto via = [&](const std::string& name) {
    for (const Json& e : events)
      if (e["via"] == name) return e;
    return Json();
  };
  REQUIRE(events.size() >= 2);
  CHECK(events[0]["path"] == path);
  CHECK(events[0]["flags"] == "O_RDWR");
  CHECK(events[0]["src"] == "fd");
  CHECK(events[1]["path"] == none);
  CHECK(events[1]["error"] == "ENOENT");
  if (have_int80()) CHECK(via("compat:open")["path"] == path);
  if (have_io_uring()) CHECK(via("io_uring")["path"] == path);
}

TEST_CASE("chmodsnoop with --btf") {
  TempDir dir;
  const std::string path = dir.file("f");
  const auto events = trace_without_btf("chmodsnoop", dir, [&](Json&) {
    const int fd = static_cast<int>(check(open(path.c_str(), O_RDONLY), "open"));
    check(fchmod(fd, 04711), "fchmod");
    check(chmod(path.c_str(), 0600), "chmod");
  });
  REQUIRE(events.size() == 2);
  CHECK(events[0]["path"] == path);
  CHECK(events[0]["old"] == "0644");
  CHECK(events[0]["new"] == "4711");
  CHECK(events[1]["path"] == path);
  CHECK(events[1]["mode"] == "0600");
  CHECK((events[1]["new"] == "0600" ||
         (events[1]["new"].is_null() && events[1]["src"] == "user")));  // known where a hook sees the inode
}

TEST_CASE("execsnoop with --btf") {
  TempDir dir;
  std::filesystem::copy_file("/bin/true", dir / "true");
  const auto events = trace_without_btf("execsnoop", dir, [&](Json&) {
    const std::string word = "a directory";  // in a page that is there
    execl(dir.path().c_str(), word.c_str(), nullptr);
    const pid_t child = fork();
    if (child == 0) {
      execl((dir / "true").c_str(), "true", "1", nullptr);
      _exit(1);
    }
    waitpid(child, nullptr, 0);
  });
  REQUIRE(events.size() == 2);
  CHECK(events[0]["error"] == "EACCES");
  CHECK(events[0]["args"] == Json::array({"a directory"}));
  CHECK(events[1]["exe"] == dir / "true");
  CHECK(events[1]["args"] == Json::array({"true", "1"}));
}

TEST_CASE("connectsnoop with --btf: TCP, UDP, a datagram") {
  TempDir dir;
  const auto events = trace_without_btf("connectsnoop", dir, [](Json&) {
    const Address closed = closed_port();
    if (connect(new_socket(AF_INET, SOCK_STREAM), closed.get(), closed.size) == 0) throw std::runtime_error("a failure expected");
    const Address to = ip_address("127.0.0.1", 40001);
    check(connect(new_socket(AF_INET, SOCK_DGRAM), to.get(), to.size), "connect");
    check(sendto(new_socket(AF_INET, SOCK_DGRAM), "x", 1, 0, to.get(), to.size), "sendto");
  });
  REQUIRE(events.size() == 3);
  CHECK(events[0]["error"] == "ECONNREFUSED");
  CHECK(events[0]["raddr"] == "127.0.0.1");
  for (const int i : {1, 2}) {
    CHECK(events[static_cast<std::size_t>(i)]["proto"] == "udp");
    CHECK(events[static_cast<std::size_t>(i)]["rport"] == 40001);
    CHECK(events[static_cast<std::size_t>(i)]["errno"] == 0);
  }
}

TEST_CASE("a kernel without ring buffers: one line, status 1") {
  const std::string preload = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "helper_no_ringbuf.so";
  const Result r = run({"env", "LD_PRELOAD=" + preload, tool_path("opensnoop"), "-d", "0.01"});
  if (r.status == 0) CANNOT_TEST("the tools are linked statically: nothing can be put before the kernel");
  CHECK(r.status == 1);
  CHECK(std::count(r.err.begin(), r.err.end(), '\n') == 1);
  CHECK(r.err.find("opensnoop: this kernel has no BPF ring buffer") == 0);
}

TEST_CASE("no BTF, and none in the file of --btf: one line, status 1") {
  TempDir dir;
  for (const std::string& file : {dir / "absent", dir.file("text", "no BTF")}) {
    const Result r = run(without_btf("opensnoop", {"--btf", file}));
    CHECK(r.status == 1);
    CHECK(std::count(r.err.begin(), r.err.end(), '\n') == 1);
    CHECK(r.err.find("opensnoop: --btf: " + file) == 0);
  }
  const Result r = run(without_btf("opensnoop", {}));
  CHECK(r.status == 1);
  CHECK(std::count(r.err.begin(), r.err.end(), '\n') == 1);
  CHECK(r.err.find("--btf FILE") != std::string::npos);
}

TEST_CASE("with --btf a command is followed, and what it starts") {
  TempDir dir;
  const std::string path = dir.file("f"), types = types_in(dir);
  const Result r = run(without_btf("opensnoop", {"-j", "-o", "path", "--path", path, "--btf", types, "--", "sh", "-c",
                                                 ": < " + path + "; (: < " + path + "); exit 5"}));
  INFO(r.err);
  CHECK(r.status == 5);
  const std::string line = "{\"path\":\"" + path + "\"}\n";
  CHECK(r.out == line + line);
}
