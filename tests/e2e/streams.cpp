// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Files and streams: how they begin and end, --output, rotation, and files that are opened again.
#include "deeds.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

using namespace harness;

namespace {

std::string slurp(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Waits for what will be; FAILs after a minute.
void eventually(const std::function<bool()>& is) {
  for (int i = 0; i < 6000; i++) {
    if (is()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  FAIL("it never became true");
}

// Opens that fail, of PREFIX0, PREFIX1, ... up to `count`. `at`: called before each of them.
std::function<void(Json&)> numbered(
    const std::string& prefix, int count, std::function<void(int)> at = [](int) {}) {
  return [=](Json&) {
    for (int i = 0; i < count; i++) {
      at(i);
      open((prefix + std::to_string(i)).c_str(), O_RDONLY);
    }
  };
}

// All files whose names begin so, by the part of the trace that they are; the numbers behind `prefix` in their events.
struct Files {
  std::vector<std::string> names;
  std::vector<int> numbers;
  Json end;
};
Files files_of(const std::string& beginning, const std::string& prefix) {
  std::map<int, std::string> parts;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(beginning).parent_path()))
    if (const std::string name = entry.path(); name.starts_with(beginning)) {
      std::istringstream in(slurp(name));
      std::string first;
      std::getline(in, first);
      const Json start = Json::parse(first);
      CHECK(start["event"] == "start");
      CHECK(parts.emplace(start["part"].get<int>(), name).second);
    }
  Files files;
  for (const auto& [part, name] : parts) {
    INFO(name);
    CHECK(part == static_cast<int>(files.names.size()) + 1);
    files.names.push_back(name);
    const std::string text = slurp(name);
    CHECK(text.ends_with("\n"));
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
      const Json j = Json::parse(line);
      if (j["event"] == "open") files.numbers.push_back(std::stoi(j["path"].get<std::string>().substr(prefix.size())));
      if (j["event"] == "end") files.end = j;
    }
  }
  return files;
}

std::vector<int> up_to(int count) {
  std::vector<int> all;
  for (int i = 0; i < count; i++) all.push_back(i);
  return all;
}

}  // namespace

TEST_CASE("a JSON stream tells what it is of, and how it ended") {
  TempDir dir;
  const std::string path = dir.file("f");
  utsname kernel{};
  uname(&kernel);
  std::string boot = slurp("/proc/sys/kernel/random/boot_id");
  boot.resize(boot.find('\n'));
  for (const std::string& tool : all_tools()) {
    INFO(tool);
    Actor actor([&](Json&) {
      for (int i = 0; i < 3; i++) deed_for(tool, path);
    });
    const std::string id = actor.id();
    const Args args{"-j", "-o", "event,pid", "-p", id + ",1", "-n", "e"};
    Args command = command_of(tool, args);
    command.insert(command.end(), {"--exclude-uid", "4242", "--count", "2"});
    Tracer tracer(command);
    actor.act();
    tracer.wait();
    Json start = tracer.whole().start, end = tracer.whole().end;
    CHECK(start["event"] == "start");
    CHECK(start["tool"] == tool);
    CHECK(tool + " " + start["version"].get<std::string>() + "\n" == run_tool(tool, {"-V"}).out);
    CHECK(start["host"] == kernel.nodename);
    CHECK(start["kernel"] == kernel.release);
    CHECK(start["machine"] == kernel.machine);
    CHECK(start["boot_id"] == boot);
    CHECK(start["command_line"] == Json(command));
    if (deed_of(tool).options.empty())
      CHECK(start["filters"] == Json{{"pid", {id + ",1"}}, {"comm", {"e"}}, {"exclude-uid", {"4242"}}});
    CHECK(start["columns"] == Json{"event", "pid"});
    CHECK(!start["hooks"].empty());
    CHECK(start["part"] == 1);
    CHECK(end["host"] == kernel.nodename);
    CHECK(end["shown"] == 2);
    CHECK(end["lost"] == 0);
    CHECK(end["why"] == "count");
    CHECK(time_of(start["time"]) < time_of(end["time"]));
    CHECK(tracer.whole().sum == tool + ": 2 events shown, 0 lost\n");
  }
  const auto why = [](const Args& args) { return run_tool("opensnoop", args).whole.end["why"]; };
  CHECK(why({"-j", "-p", "1", "-d", "0.1"}) == "duration");
  CHECK(why({"-j", "--", "true"}) == "ended");
  Tracer signalled("opensnoop", {"-j", "-p", "1"});
  signalled.stop();
  CHECK(signalled.whole().end["why"] == "signal");
  const Result bare = run_tool("opensnoop", {"-j", "--no-heading", "--", "true"});
  CHECK(bare.whole.start.is_null());
  CHECK(bare.whole.end.is_null());
  CHECK(bare.whole.sum != "");
}

TEST_CASE("files are rotated and opened again in a flood: no event is lost, none is doubled, every line is whole") {
  TempDir dir;
  const std::string out = dir / "out", prefix = dir / "n";
  const int times = static_cast<int>(many(20000));
  for (const Args& how : {Args{"--rotate", "64K"}, Args{"--rotate", "1s"}, Args{}}) {
    INFO(Json(how));
    int moved = 0;
    Args args{"-j", "-o", "event,path", "--output", out, "--buffer", "64M", "--path", prefix};
    args.insert(args.end(), how.begin(), how.end());
    Tracer tracer("opensnoop", args);
    const pid_t pid = tracer.pid();
    Actor actor(numbered(prefix, times, [&](int i) {
      if (how.empty() && i % (times / 5) == times / 10) {  // as logrotate does it
        rename(out.c_str(), (out + "." + std::to_string(moved)).c_str());
        kill(pid, moved++ % 2 ? SIGUSR1 : SIGHUP);
        while (access(out.c_str(), F_OK) != 0) usleep(1000);
      }
      if (!how.empty() && how[1] == "1s" && i == times / 2) usleep(1500000);
    }));
    actor.act();
    tracer.stop();
    CHECK(tracer.status() == 0);
    CHECK(tracer.out() == "");
    CHECK(tracer.err() == "opensnoop: tracing, Ctrl-C to stop\n");
    const Files files = files_of(out, prefix);
    CHECK(files.names.size() >= (how.empty() ? 6u : how[1] == "64K" ? 2u : 1u));
    CHECK((how.empty() || how[1] != "1s" || files.names.size() >= 2));
    CHECK(files.names.back() == out);
    CHECK(files.numbers == up_to(times));
    CHECK(files.end["shown"] == times);
    for (const std::string& name : files.names) {
      CHECK((how.empty() || how[1] != "64K" || std::filesystem::file_size(name) <= 64u << 10));
      std::filesystem::remove(name);
    }
  }
}

TEST_CASE("a table has its heading in each file, and what somebody left there without a newline is no part of a line") {
  TempDir dir;
  const std::string out = dir.file("out", "half a l"), prefix = dir / "n";
  Actor first(numbered(prefix, 1)), second(numbered(prefix, 2));
  Tracer tracer("opensnoop", {"-o", "pid,path", "--output", out, "-p", first.id() + "," + second.id()});
  const std::string a = first.id(), b = second.id();
  first.act();
  eventually([&] { return slurp(out).ends_with("n0\n"); });
  kill(tracer.pid(), SIGUSR1);  // it is the same file: it goes on there
  std::filesystem::rename(out, out + ".1");
  kill(tracer.pid(), SIGUSR1);
  eventually([&] { return slurp(out).ends_with("PATH\n"); });
  second.act();
  tracer.wait();
  const auto row = [](std::string pid, const std::string& path) {
    return std::string(7 - pid.size(), ' ') + pid + " " + path + "\n";
  };
  CHECK(slurp(out + ".1") == "half a l\n    PID PATH\n" + row(a, prefix + "0"));
  CHECK(slurp(out) == "    PID PATH\n" + row(b, prefix + "0") + row(b, prefix + "1"));
  struct stat st {};
  check(stat(out.c_str(), &st), "stat");
  CHECK((st.st_mode & 07777) == 0600);
}

TEST_CASE("a file that cannot be made again, or rotated: the tool says so and goes on with the one it has") {
  TempDir dir;
  const std::string out = dir / "out", prefix = dir / "n";
  for (const bool rotates : {false, true}) {
    std::filesystem::remove(out);
    std::filesystem::remove(out + ".old");
    check(chmod(dir.path().c_str(), 0755), "chmod");
    const int times = rotates ? 200 : 10;
    Actor actor(numbered(prefix, times));
    Args args{"-j", "-o", "event,path", "--output", out, "-p", actor.id()};
    if (rotates) args.insert(args.end(), {"--rotate", "4K"});
    Tracer tracer("opensnoop", args);
    check(chmod(dir.path().c_str(), 0555), "chmod");  // the tool is root, but has no capabilities left
    if (!rotates) {
      std::filesystem::rename(out, out + ".old");
      kill(tracer.pid(), SIGUSR1);
    }
    actor.act();
    tracer.wait();
    CHECK(tracer.status() == 0);
    INFO(tracer.err());
    CHECK(tracer.err().find(rotates
                                ? "opensnoop: --rotate: cannot rename " + out
                                : "opensnoop: cannot open " + out + " again: Permission denied; going on") != std::string::npos);
    CHECK(files_of(out, prefix).numbers == up_to(times));
  }
  check(chmod(dir.path().c_str(), 0755), "chmod");
  check(chown(dir.path().c_str(), 4242, 4242), "chown");
  const Result refused = run_tool("opensnoop", {"--output", out, "--rotate", "1K", "-d", "0.1"});
  CHECK(refused.status == 1);
  CHECK(refused.err.starts_with("opensnoop: --rotate: no file can be made in " + dir.path()));
}

TEST_CASE("a full disk: one line says so, and the last line in the file is whole") {
  TempDir dir;
  check(chmod(dir.path().c_str(), 0755), "chmod");
  const std::string disk = dir / "disk", prefix = dir / "n";
  check(mkdir(disk.c_str(), 0755), "mkdir");
  const Result r =
      run({"unshare", "-m", "bash", "-c",
           "mount -t tmpfs -o size=64K none " + disk + " && " + tool_path("opensnoop") + " -j -o event,path --output " + disk +
               "/out --path " + prefix + " -- bash -c 'for i in {1..3000}; do : < " + prefix + "$i; done 2>/dev/null'; cat " +
               disk + "/out; exit 3"});
  CHECK(r.status == 3);
  INFO(r.err);
  CHECK(r.err.find("opensnoop: cannot write to " + disk + "/out: No space left on device\n") != std::string::npos);
  CHECK(r.out.size() > 60000);
  CHECK(r.out.ends_with("}\n"));
}

TEST_CASE("with --output a command's own output is alone on standard output") {
  TempDir dir;
  const std::string out = dir / "out", path = dir.file("f");
  for (const Args& shape : {Args{}, Args{"-j"}}) {
    Args args{"--output", out, "-o", "path", "--path", path};
    args.insert(args.end(), shape.begin(), shape.end());
    args.insert(args.end(), {"--", "sh", "-c", "cat " + path + " >/dev/null; echo made; echo why >&2"});
    const Result r = run_tool("opensnoop", args);
    CHECK(r.out == "made\n");
    CHECK(r.err.find("why\n") != std::string::npos);
    CHECK(slurp(out).find(path) != std::string::npos);
    std::filesystem::remove(out);
  }
}

TEST_CASE("a terminal that goes away ends a tool with --output, another SIGHUP does not") {
  TempDir dir;
  const std::string out = dir / "out";
  const int terminal = static_cast<int>(check(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), "posix_openpt"));
  check(grantpt(terminal), "grantpt"), check(unlockpt(terminal), "unlockpt");
  const std::string name = ptsname(terminal), tool = tool_path("opensnoop");
  const pid_t pid = static_cast<pid_t>(check(fork(), "fork"));
  if (pid == 0) {
    setsid();
    const int fd = open(name.c_str(), O_RDWR);
    ioctl(fd, TIOCSCTTY, 0);
    for (const int n : {0, 1, 2}) dup2(fd, n);
    execl(tool.c_str(), "opensnoop", "-j", "-p", "1", "--output", out.c_str(), nullptr);
    _exit(1);
  }
  eventually([&] { return slurp(out).find("\"start\"") != std::string::npos; });
  std::filesystem::rename(out, out + ".1");
  kill(pid, SIGHUP);
  eventually([&] { return slurp(out).find("\"part\":2") != std::string::npos; });
  close(terminal);
  int status = 0;
  check(waitpid(pid, &status, 0), "waitpid");
  CHECK(status == 0);
  CHECK(slurp(out).find("\"why\":\"signal\"") != std::string::npos);
}

TEST_CASE("a summary: at the end, and on SIGQUIT, which then is no end: counts are what lines would have been") {
  TempDir dir;
  const std::string path = dir.file("f"), out = dir / "out";
  for (const std::string& tool : all_tools()) {
    INFO(tool);
    Actor first([&](Json&) { deed_for(tool, path); }), second([&](Json&) {
      for (int i = 0; i < 3; i++) deed_for(tool, path);
    });
    const Json a = first.pid(), b = second.pid();
    Tracer tracer(tool, {"-j", "--summary", "-o", "pid", "--output", out, "-p", first.id() + "," + second.id()});
    first.act();
    const auto records = [&](const char* event) {
      std::vector<Json> all;
      std::istringstream in(slurp(out));
      for (std::string line; std::getline(in, line) && !in.eof();)
        if (Json j = Json::parse(line); j["event"] == event) all.push_back(std::move(j));
      return all;
    };
    eventually([&] {
      kill(tracer.pid(), SIGQUIT);
      return !records("summary").empty();
    });
    CHECK(records("summary")[0]["count"] == 1);
    CHECK(records("summary")[0]["by"] == Json{{"pid", a}});
    second.act();
    tracer.wait();
    CHECK(tracer.status() == 0);
    std::vector<Json> rows = records("summary");
    REQUIRE(rows.size() >= 3);
    rows.erase(rows.begin(), rows.end() - 2);
    CHECK(rows[0]["count"] == 3);
    CHECK(rows[0]["by"] == Json{{"pid", b}});
    CHECK(rows[1]["count"] == 1);
    CHECK(records("end").at(0)["shown"] == 4);
    CHECK(records("start").size() == 1);
    std::filesystem::remove(out);
  }
  const Result top = run_tool("opensnoop", {"--top", "1", "-o", "path", "--path", dir / "", "--", "sh", "-c",
                                            ": <" + path + "; : <" + path + "; : <" + dir.file("g")});
  CHECK(top.out == "  COUNT PATH\n      2 " + path + "\n      1 \\other\n");
}

TEST_CASE("attempts to connect that are under way when the tool ends are told, and that their end is not known") {
  const int listener = static_cast<int>(check(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof to;
  check(bind(listener, reinterpret_cast<sockaddr*>(&to), size), "bind");
  check(listen(listener, 0), "listen");
  getsockname(listener, reinterpret_cast<sockaddr*>(&to), &size);
  for (const std::string& tier : tiers("connectsnoop"))
    for (const char* columns : {"+err", "+exe"}) {
      INFO(tier << columns);
      Tracer tracer("connectsnoop", {"-j", "--hook", tier, "-o", columns, "-p", std::to_string(getpid())});
      std::vector<int> sockets;
      std::vector<int> hang, through;  // by their local ports
      for (int i = 0; i < 6; i++) {
        sockets.push_back(static_cast<int>(check(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket")));
        connect(sockets.back(), reinterpret_cast<sockaddr*>(&to), sizeof to);
      }
      usleep(50000);  // loopback answers at once, or, as the queue is full, not at all
      for (const int fd : sockets) {
        tcp_info info{};
        size = sizeof info;
        check(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), "TCP_INFO");
        sockaddr_in own{};
        size = sizeof own;
        getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size);
        (info.tcpi_state == TCP_SYN_SENT ? hang : through).push_back(ntohs(own.sin_port));
      }
      tracer.stop();
      CHECK(tracer.status() == 0);
      REQUIRE(!hang.empty());
      std::vector<int> told_hang, told_through;
      for (const Json& e : tracer.events()) {
        CHECK(e["rport"] == ntohs(to.sin_port));
        CHECK(e["raddr"] == "127.0.0.1");
        CHECK(e["laddr"] == "127.0.0.1");
        if (std::string(columns) == "+exe") CHECK(e["exe"] == std::filesystem::read_symlink("/proc/self/exe").string());
        (e["errno"].is_null() ? told_hang : told_through).push_back(e["lport"]);
        CHECK(e["ms"].is_null() == e["errno"].is_null());
      }
      std::sort(told_hang.begin(), told_hang.end()), std::sort(hang.begin(), hang.end());
      std::sort(told_through.begin(), told_through.end()), std::sort(through.begin(), through.end());
      CHECK(told_hang == hang);
      CHECK(told_through == through);
      CHECK(tracer.whole().end["shown"] == 6);
      for (const int fd : sockets) close(fd);
      for (int fd; (fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) close(fd);  // room for the next
    }
  close(listener);
}

TEST_CASE("with --utc times of the table are those of UTC, and of the day's first line date and zone") {
  TempDir dir;
  const std::string path = dir.file("f");
  for (const bool utc : {false, true}) {
    Args args{"-o", "time", "--no-heading", "--path", path, "--", "sh", "-c", ": <" + path + "; : <" + path};
    if (utc) args.insert(args.begin(), "--utc");
    args.insert(args.begin(), {"env", "TZ=Asia/Kathmandu", tool_path("opensnoop")});
    const std::string out = run(args).out;
    std::istringstream in(out);
    std::string first, second;
    in >> first >> second;
    INFO(out);
    REQUIRE(first.size() == (utc ? 27u : 32u));
    CHECK(first.ends_with(utc ? "Z" : "+05:45"));
    const long long seconds = time_of(first.substr(0, 26) + "000Z") / 1'000'000'000 - (utc ? 0 : 20700);
    CHECK(std::abs(seconds - std::time(nullptr)) < 60);
    CHECK(second.size() == 15);
  }
}

TEST_CASE("options of files that make no sense are refused") {
  TempDir dir;
  for (const auto& [args, status, says] : std::vector<std::tuple<Args, int, std::string>>{
           {{"--rotate", "1M"}, 2, "--rotate: standard output is no file; name one with --output FILE"},
           {{"--output", dir / "f", "--rotate", "10"},
            2,
            "--rotate: '10' is neither a size nor a time; give one such as 100M or 1h"},
           {{"--output", dir / "f", "--rotate", "0s"}, 2, "--rotate: '0s'"},
           {{"--top", "0"}, 2, "--top: '0'; give a number above 0"},
           {{"--output", ""}, 2, "--output: '' names no file"},
           {{"--output", dir / "none/f"}, 1, "--output: cannot open " + dir / "none/f" + ": No such file or directory"},
           {{"--output", dir.path()}, 1, "--output: cannot open " + dir.path() + ": Is a directory"},
           {{"--output", "/dev/null", "--rotate", "1M"}, 1, "--rotate: /dev/null is no regular file"}}) {
    const Result r = run_tool("opensnoop", args);
    CHECK(r.status == status);
    CHECK(r.err.starts_with("opensnoop: " + says));
    CHECK(std::count(r.err.begin(), r.err.end(), '\n') == 1);
  }
}
