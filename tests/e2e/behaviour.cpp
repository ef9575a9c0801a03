// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// How every tool starts, ends, refuses, and treats those who read it. TOOLS comes from CMake.
#include "deeds.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <future>
#include <regex>
#include <set>
#include <sstream>

using namespace harness;

namespace {

// For what the tools' common code does: where the CPU is emulated, one tool stands for all.
std::vector<std::string> common_code_tools() {
  std::vector<std::string> all = all_tools();
  if (std::getenv("VMRUN")) all.resize(1);
  return all;
}

std::function<void(Json&)> deeds(const std::string& tool, const std::string& path, unsigned count) {
  return [=](Json&) {
    for (unsigned i = 0; i < count; i++) deed_for(tool, path);
  };
}

long count_lines(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

// The tool by a shell: `TOOL` in the script is the tool with "$@".
Args by_shell(const std::string& tool, std::string script, const Args& args) {
  Args argv{"bash", "-c", std::regex_replace(script, std::regex("TOOL"), shell_command_of(tool) + "\"$@\""), "bash"};
  argv.insert(argv.end(), args.begin(), args.end());
  return argv;
}

// A copy that any user may run.
std::string copy_for_all(const TempDir& dir, const std::string& tool) {
  const std::string copy = dir / tool;
  std::filesystem::copy_file(tool_path(tool), copy, std::filesystem::copy_options::overwrite_existing);
  check(chmod(copy.c_str(), 0755), "chmod");
  check(chmod(dir.path().c_str(), 0755), "chmod");
  return copy;
}

// Waits for what will be; FAILs after a minute.
void eventually(const std::function<bool()>& is) {
  for (int i = 0; i < 6000; i++) {
    if (is()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  FAIL("it never became true");
}

// One line, of this tool, that says this.
void check_one_line(const std::string& tool, const Result& r, int status, const std::string& says) {
  INFO(tool << ": " << r.err);
  CHECK(r.status == status);
  CHECK(r.out == "");
  CHECK(count_lines(r.err) == 1);
  CHECK(r.err.starts_with(tool + ": "));
  CHECK(r.err.find(says) != std::string::npos);
  CHECK(r.err.size() < 800);
}

unsigned long long total_lost(const std::string& err) {
  std::smatch m;
  return std::regex_search(err, m, std::regex("events shown, ([0-9]+) lost")) ? std::stoull(m[1]) : 0;
}

// A number out of a file of /proc/PID, by what stands before it.
long process_number(pid_t pid, const std::string& file, const std::string& name) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/" + file);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(name)) return std::stol(line.substr(name.size()));
  return 0;
}

long resident_kb(pid_t pid) { return process_number(pid, "status", "VmRSS:"); }
long written_bytes(pid_t pid) { return process_number(pid, "io", "wchar:"); }

// Ways in which standard error cannot be written, as a shell makes them in front of `exec TOOL`. $FIFO is one.
const std::map<std::string, std::string> kUnwritable{
    {"full disk", "exec 2>/dev/full; "},
    {"closed", "exec 2>&-; "},
    {"read only", "exec 2</dev/null; "},
    {"reader gone", "exec 3<>$FIFO; exec 2>$FIFO 3<&-; "},
    {"nobody reads a full pipe", "exec 3<>$FIFO; head -c 65536 /dev/zero >&3; exec 2>&3; "},
    {"nobody reads a pipe that becomes full", "exec 3<>$FIFO; head -c 65530 /dev/zero >&3; exec 2>&3; "},
    {"no room, and told so",
     "exec python3 -c 'import fcntl, os, sys; fcntl.fcntl(3, fcntl.F_SETFL, os.O_NONBLOCK | os.O_RDWR); os.dup2(3, 2); "
     "os.execv(sys.argv[1], sys.argv[1:])' "}};

std::string with_fifo(const std::string& script, const std::string& fifo) {
  return std::regex_replace(script, std::regex("\\$FIFO"), fifo);
}

}  // namespace

TEST_CASE("messages that cannot be written end no trace, hold none up, and change no status") {
  TempDir dir;
  const std::string path = dir.file("f");
  int n = 0;
  for (const std::string& tool : common_code_tools())
    for (const auto& [what, how] : kUnwritable) {
      INFO(tool << ", " << what);
      const auto prepared = [&](const Args& args) {
        const std::string fifo = dir / ("fifo" + std::to_string(n++));
        check(mkfifo(fifo.c_str(), 0600), "mkfifo");
        const bool told = what == "no room, and told so";
        return by_shell(
            tool, with_fifo((told ? "exec 3<>$FIFO; head -c 65536 /dev/zero >&3; " + how : how + "exec ") + "TOOL", fifo), args);
      };
      CHECK(run(prepared({"-p", std::to_string(getpid()), "-d", "0.2"})).status == 0);
      CHECK(run(prepared({"-v", "-p", std::to_string(getpid()), "-d", "0.2"})).status == 0);
      CHECK(run(prepared({"--no-such-option"})).status == 2);
      const std::string made = dir / ("made" + std::to_string(n++));
      const Result r = run(prepared({"-j", "--", "sh", "-c", "chmod 600 " + path + "; : > " + made + "; exit 7"}));
      CHECK(r.status == 7);
      CHECK(std::filesystem::exists(made));
      CHECK((tool != "chmodsnoop" || count_lines(r.out) == 1));
      CHECK(run(prepared({"--", "nosuchcommand"})).status == 127);
    }
}

TEST_CASE("messages: their reader goes in mid-trace, or stops to read, in a flood that loses: the trace goes on, and counts") {
  TempDir dir;
  const std::string path = dir.file("f");
  const unsigned times = many(20000);
  for (const std::string& tool : common_code_tools())
    for (const bool goes : {true, false}) {
      INFO(tool << (goes ? ": goes" : ": stops"));
      const std::string fifo = dir / (tool + (goes ? "1" : "2")), out = fifo + ".out";
      check(mkfifo(fifo.c_str(), 0600), "mkfifo");
      int err = static_cast<int>(check(open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC), "open"));
      Actor actor(deeds(tool, path, times)), idle([](Json&) {});
      std::future<Result> ended = std::async(std::launch::async, [&] {
        return run(
            by_shell(tool, "exec TOOL 2> " + fifo, {"-j", "-o", "event", "--buffer", "4K", "-p", actor.id() + "," + idle.id()}));
      });
      std::string said;
      eventually([&] {
        char c;
        while (read(err, &c, 1) == 1) said.push_back(c);
        return said.find("tracing") != said.npos;
      });
      if (goes) {
        close(err);
      } else {  // full, so that the next message finds no room
        const int fill = static_cast<int>(check(open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC), "open"));
        const std::string some(4096, 'x');
        while (write(fill, some.data(), some.size()) > 0) {
        }
        close(fill);
      }
      actor.act();
      // One of the two processes is still there: only a signal ends the tool. It is found by the name of its pipe.
      const Result pids =
          run({"bash", "-c", "for d in /proc/[0-9]*/fd/2; do [ \"$(readlink $d)\" = " + fifo + " ] && echo $d; done; true"});
      for (std::istringstream in(pids.out); std::getline(in, said);) kill(std::stoi(said.substr(6)), SIGINT);
      const Result r = ended.get();
      if (!goes) close(err);
      CHECK(r.status == 0);
      unsigned long long told = 0;
      std::istringstream lines(r.out);
      for (std::string line; std::getline(lines, line);) {
        const Json j = Json::parse(line);
        told += j["event"] == "lost" ? j["lost"].get<unsigned long long>() : 1;
      }
      CHECK(told == times);
    }
}

TEST_CASE("messages that nobody read are counted when somebody reads again") {
  TempDir dir;
  const std::string fifo = dir / "fifo", ready = dir / "ready", go = dir / "go";
  for (const std::string& name : {fifo, ready, go}) check(mkfifo(name.c_str(), 0600), "mkfifo");
  const int err = static_cast<int>(check(open(fifo.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC), "open"));
  std::string some(65536, 'x');
  check(write(err, some.data(), some.size()), "write");
  std::future<Result> ended = std::async(std::launch::async, [&] {
    return run(
        by_shell("opensnoop", "exec TOOL 2> " + fifo,
                 {"--path", "/nonexistent", "--", "sh", "-c", "echo > " + ready + "; read x < " + go + "; sleep 2 & exit 4"}));
  });
  std::ifstream(ready).get();
  check(read(err, some.data(), some.size()), "read");
  std::ofstream(go) << "\n";
  CHECK(ended.get().status == 4);
  const ssize_t n = read(err, some.data(), some.size());
  const std::string said = some.substr(0, static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  CHECK(said.starts_with("opensnoop: 1 messages could not be written\nopensnoop: the command has ended, but not all"));
  close(err);
}

TEST_CASE("signals drain what has happened, and end with status 0") {
  TempDir dir;
  const std::string path = dir.file("f");
  for (const std::string& tool : common_code_tools())
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
      INFO(tool << ", signal " << signal);
      Actor actor(deeds(tool, path, 500));
      Tracer tracer(tool, {"-p", actor.id()});
      actor.act();
      tracer.stop(signal);
      CHECK(tracer.status() == 0);
      CHECK(tracer.lines().size() == 500);
      CHECK(tracer.out().ends_with("\n"));
      CHECK(count_lines(tracer.err()) == 1);
    }
}

TEST_CASE("a lone event shows at once, also when nobody looks at a terminal") {
  TempDir dir;
  const std::string path = dir.file("f");
  for (const std::string& tool : common_code_tools()) {
    INFO(tool);
    Actor actor(deeds(tool, path, 1));
    const std::string out = dir / (tool + ".out");
    Tracer tracer(by_shell(tool, "exec TOOL > " + out, {"-p", actor.id(), "--no-heading"}));
    actor.act();
    eventually([&] {
      return count_lines([&] {
               std::ifstream in(out);
               return std::string{std::istreambuf_iterator<char>(in), {}};
             }()) == 1;
    });
    tracer.stop(SIGKILL);  // so it is not the end that wrote it
  }
}

TEST_CASE("| head ends the tool quietly, with status 0") {
  TempDir dir;
  const std::string path = dir.file("f");
  for (const std::string& tool : common_code_tools()) {
    INFO(tool);
    for (const unsigned count : {100u, many(20000)}) {
      Actor actor(deeds(tool, path, count));
      Tracer tracer(by_shell(tool, "TOOL | head -3; exit ${PIPESTATUS[0]}", {"-p", actor.id()}));
      actor.act();
      tracer.wait();
      CHECK(tracer.status() == 0);
      CHECK(count_lines(tracer.out()) == 3);
      CHECK(tracer.err() == tool + ": tracing, Ctrl-C to stop\n");
    }
    // A reader that goes without another event.
    Tracer tracer(by_shell(tool, "TOOL | head -1; exit ${PIPESTATUS[0]}", {"-p", std::to_string(getpid())}));
    tracer.wait();
    CHECK(tracer.status() == 0);
  }
}

TEST_CASE("a full disk and a closed standard output are errors, of one line") {
  TempDir dir;
  const std::string path = dir.file("f");
  for (const std::string& tool : common_code_tools()) {
    INFO(tool);
    const Result full = run(by_shell(tool, "exec TOOL > /dev/full", {"-p", "1"}));  // once it traces
    CHECK(full.status == 1);
    CHECK(full.err ==
          tool + ": tracing, Ctrl-C to stop\n" + tool + ": cannot write to standard output: No space left on device\n");
    check_one_line(tool, run(by_shell(tool, "exec TOOL >&-", {"-p", "1"})), 1, "standard output is closed");
    Actor actor(deeds(tool, path, 10));
    Tracer tracer(by_shell(tool, "exec TOOL > /dev/full", {"-p", actor.id(), "--no-heading"}));
    actor.act();
    tracer.wait();
    CHECK(tracer.status() == 1);
    CHECK(count_lines(tracer.err()) == 2);
    CHECK(tracer.err().find("No space left on device") != std::string::npos);
  }
}

TEST_CASE("closed stdin and stderr are no matter, and nothing else lands there") {
  TempDir dir;
  const std::string path = dir.file("f");
  for (const std::string& tool : common_code_tools()) {
    INFO(tool);
    Actor actor(deeds(tool, path, 3));
    Tracer tracer(by_shell(tool, "exec TOOL <&-", {"-p", actor.id()}));
    actor.act();
    CHECK(std::filesystem::read_symlink("/proc/" + std::to_string(tracer.pid()) + "/fd/0") == "/dev/null");
    tracer.stop();
    CHECK(tracer.status() == 0);
    CHECK(tracer.lines().size() == 3);
    const Result r = run(by_shell(tool, "exec TOOL <&- 2>&-", {"-p", "1", "-d", "0.2"}));
    CHECK(r.status == 0);
    CHECK(count_lines(r.out) == 1);
  }
}

TEST_CASE("timeout, -d") {
  std::vector<std::future<std::pair<Result, Result>>> results;
  const auto tools = common_code_tools();
  const std::string seconds = std::getenv("VMRUN") ? "40" : "5";  // enough for all to start
  for (const std::string& tool : tools)
    results.push_back(std::async(std::launch::async, [&tool, &seconds] {
      return std::pair(run(by_shell(tool, "exec timeout --preserve-status " + seconds + " TOOL", {"-p", "1"})),
                       run_tool(tool, {"-p", "1", "-d", "0.3"}));
    }));
  for (std::size_t i = 0; i < tools.size(); i++) {
    const auto [by_timeout, by_d] = results[i].get();
    for (const Result& r : {by_timeout, by_d}) {
      INFO(tools[i] << r.err);
      CHECK(r.status == 0);
      CHECK(count_lines(r.out) == 1);
      CHECK(r.err.starts_with(tools[i] + ": tracing, Ctrl-C to stop\n"));
    }
  }
}

TEST_CASE("a reader that stops reading: losses are counted, and a signal ends the tool") {
  TempDir dir;
  const std::string path = dir.file("f");
  const unsigned times = many(20000);
  for (const std::string& tool : common_code_tools())
    for (const bool resumes : {true, false}) {
      INFO(tool << resumes);
      const std::string fifo = dir / (tool + (resumes ? "1" : "2"));
      check(mkfifo(fifo.c_str(), 0600), "mkfifo");
      const int in = static_cast<int>(check(open(fifo.c_str(), O_RDWR | O_CLOEXEC), "open"));
      Actor actor(deeds(tool, path, times));
      Tracer tracer(by_shell(tool, "exec TOOL > " + fifo, {"-p", actor.id(), "-j", "--buffer", "64K"}));
      actor.act();
      int waiting = 0;
      eventually([&] { return ioctl(in, FIONREAD, &waiting) == 0 && waiting > 50000; });  // the pipe is full
      if (!resumes) {
        tracer.stop(SIGTERM);
        CHECK(tracer.status() == 1);
        CHECK(tracer.err().find("nothing read the output") != std::string::npos);
        close(in);
        continue;
      }
      unsigned long long shown = 0, lost = 0;
      std::string text;
      std::thread reader([&] {
        char buffer[1 << 16];
        for (ssize_t n; text.find("\nend\n") == text.npos && (n = read(in, buffer, sizeof buffer)) > 0;)
          text.append(buffer, static_cast<std::size_t>(n));
      });
      tracer.stop();
      const int end = open(fifo.c_str(), O_WRONLY | O_CLOEXEC);
      CHECK(write(end, "\nend\n", 5) == 5);
      reader.join();
      close(end), close(in);
      const unsigned long long skipped = drop_disturbed(text).skipped;
      Whole whole;
      take_whole(text, whole);
      std::istringstream lines(text);
      for (std::string line; std::getline(lines, line) && !line.empty();) {
        const Json j = Json::parse(line);
        if (j["event"] == "lost") lost += j["lost"].get<unsigned long long>();
        else shown++;
      }
      CHECK(tracer.status() == 0);
      INFO(tracer.err());
      CHECK(lost > 0);
      CHECK(shown + lost <= times);
      CHECK(shown + lost + skipped >= times);
      CHECK(total_lost(tracer.err()) == lost);
    }
}

TEST_CASE("a tool that is told to stop twice leaves what waits in the buffer, and counts it as lost") {
  TempDir dir;
  const std::string path = dir.file("f");
  const unsigned times = 40000;  // more than two batches
  for (const int signals : {1, 2}) {
    INFO(signals);
    Actor actor(deeds("opensnoop", path, times));
    const std::string output = dir / ("output" + std::to_string(signals));
    Tracer tracer("opensnoop", {"-p", actor.id(), "-o", "fd,pid", "-j", "--buffer", "64M", "--output", output});
    kill(tracer.pid(), SIGSTOP);  // nobody reads
    actor.act();
    kill(tracer.pid(), SIGTERM);
    if (signals > 1) kill(tracer.pid(), SIGINT);
    kill(tracer.pid(), SIGCONT);
    tracer.stop(0);
    CHECK(tracer.status() == 0);
    INFO(tracer.err());
    unsigned long long shown = 0;
    Json end;
    std::ifstream in(output);
    for (std::string line; std::getline(in, line);) {
      const Json j = Json::parse(line);
      shown += j.contains("fd");
      if (j.value("event", "") == "end") end = j;
    }
    const unsigned long long lost = total_lost(tracer.err());
    CHECK(shown + lost == times);
    CHECK((lost > 0) == (signals > 1));
    CHECK((tracer.err().find("told to stop once more") != std::string::npos) == (signals > 1));
    CHECK(end["lost"] == lost);
  }
}

TEST_CASE("without privileges: one line that names the capabilities") {
  TempDir dir;
  for (const std::string& tool : all_tools()) {
    const std::string copy = copy_for_all(dir, tool);
    check_one_line(tool, run({"setpriv", "--bounding-set=-all", "--inh-caps=-all", copy}), 1, "CAP_BPF and CAP_PERFMON");
    check_one_line(tool, run({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copy}), 1,
                   "CAP_BPF and CAP_PERFMON");
    check_one_line(
        tool,
        run({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=+bpf", "--ambient-caps=+bpf", copy}), 1,
        "CAP_PERFMON");
  }
}

TEST_CASE("with only the capabilities that it needs, the tool works without root, and drops them") {
  const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
  setrlimit(RLIMIT_MEMLOCK, &unlimited);  // which matters before 5.11; where it fails, as in containers, that is not so old
  TempDir dir;
  const std::string path = dir.file("f");
  for (const std::string& tool : all_tools()) {
    INFO(tool);
    const std::string caps = tool == "connectsnoop" ? "+bpf,+perfmon,+net_admin" : "+bpf,+perfmon";
    Actor actor(deeds(tool, path, 3));
    Args command = command_of(tool, {"-p", actor.id()});
    command[0] = copy_for_all(dir, tool);
    command.insert(command.begin(), {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=" + caps,
                                     "--ambient-caps=" + caps});
    Tracer tracer(command);
    std::ifstream in("/proc/" + std::to_string(tracer.pid()) + "/status");
    const std::string status{std::istreambuf_iterator<char>(in), {}};
    CHECK(status.find("CapEff:\t0000000000000000") != std::string::npos);
    CHECK(status.find("CapPrm:\t0000000000000000") != std::string::npos);
    actor.act();
    tracer.stop();
    CHECK(tracer.status() == 0);
    CHECK(tracer.lines().size() == 3);
  }
}

TEST_CASE("of root's capabilities the tool keeps what it needs: none, or to read the names of containers") {
  for (const auto& [columns, kept] :
       std::map<std::string, std::string>{{"pid", "0000000000000000"}, {"pid,container_name", "0000000000000004"}}) {
    Tracer tracer({tool_path("opensnoop"), "-p", std::to_string(getpid()), "-o", columns});
    std::ifstream in("/proc/" + std::to_string(tracer.pid()) + "/status");
    const std::string status{std::istreambuf_iterator<char>(in), {}};
    CHECK(status.find("CapEff:\t" + kept) != std::string::npos);
    CHECK(status.find("CapPrm:\t" + kept) != std::string::npos);
    tracer.stop();
  }
}

TEST_CASE("without BTF, or locked down: one line that says so") {
  TempDir dir;
  for (const std::string& tool : all_tools()) {
    const auto in_namespace = [&](const std::string& mounts) {
      return run({"unshare", "-m", "bash", "-c", "mount --make-rprivate / && " + mounts + " && exec " + shell_command_of(tool)});
    };
    check_one_line(tool, in_namespace("mount -t tmpfs none /sys"), 1, "BTF");
    if (access("/sys/kernel/security", F_OK) != 0) CANNOT_TEST("there is no /sys/kernel/security");
    check_one_line(tool,
                   in_namespace("mount -t tmpfs none /sys/kernel/security && echo 'none integrity [confidentiality]' > "
                                "/sys/kernel/security/lockdown"),
                   1, "lockdown");
  }
}

TEST_CASE("a low limit of open files: the soft one is raised, the hard one is named") {
  for (const std::string& tool : common_code_tools()) {
    INFO(tool);
    const Args args{"-p", std::to_string(getpid()), "-d", "0.1"};
    CHECK(run(by_shell(tool, "ulimit -Sn 20; exec TOOL", args)).status == 0);
    CHECK(run(by_shell(tool, "ulimit -Sn 20; TOOL", {"-n", "nobody", "--", "sh", "-c", "exit $(ulimit -n)"})).status == 20);
    for (const char* limit : {"8", "9", "10", "11", "12", "14", "16", "20"})
      check_one_line(tool, run(by_shell(tool, "ulimit -n " + std::string(limit) + "; exec TOOL", args)), 1,
                     "too many open files");
  }
}

TEST_CASE("bad usage: status 2, and one line that names the option and says what to do") {
  TempDir dir;
  const std::vector<Bad> bad{
      {{"-p", "4194305"}, "--pid", "4194305"},
      {{"-p", "0"}, "--pid", "give a number"},
      {{"-p", "-1"}, "--pid", ""},
      {{"-p", "12x"}, "--pid", "12x"},
      {{"-p", "1,,x"}, "--pid", "x"},
      {{"-p", ""}, "--pid", "found no process"},
      {{"-p", " \n"}, "--pid", "found no process"},
      {{"--ppid", "4194305"}, "--ppid", "4194305"},
      {{"-p", std::to_string(getpid()), "--", "true"}, "--pid", "leave one of the two out"},
      {{"-t", "4194305"}, "--tid", "4194305"},
      {{"--tid", "99999999999999999999"}, "--tid", "give a number"},
      {{"-u", "no-such-user"}, "--uid", "no-such-user"},
      {{"-u", "-5"}, "--uid", ""},
      {{"-n", "a-name-of-more-than-15"}, "--comm", "15"},
      {{"-n", ""}, "--comm", ""},
      {{"--cgroup", "/nowhere"}, "--cgroup", "/nowhere"},
      {{"--cgroup", dir.path()}, "--cgroup", "cgroup v2"},
      {{"--mnt-ns", "x"}, "--mnt-ns", "give a number"},
      {{"--mnt-ns", "4194305"}, "--mnt-ns", "4194305"},
      {{"-o", "nope"}, "--columns", "nope"},
      {{"-o", "pid,+nope"}, "--columns", "nope"},
      {{"-o", "+contaner"}, "--columns", "did you mean container?"},
      {{"-o", "json"}, "--columns", "write -j"},
      {{"-o", "out.json"}, "--columns", "--output out.json"},
      {{"-d", "0"}, "--duration", "give"},
      {{"-d", "-1"}, "--duration", ""},
      {{"-d", "soon"}, "--duration", "soon"},
      {{"-d", "nan"}, "--duration", "give"},
      {{"-d", "5x"}, "--duration", "5m"},
      {{"-d", "ms"}, "--duration", "give"},
      {{"-d", "inf"}, "--duration", "give"},
      {{"--count", "0"}, "--count", "give"},
      {{"--count", "1.5"}, "--count", "give"},
      {{"--buffer", "3M"}, "--buffer", "power of two"},
      {{"--buffer", "1K"}, "--buffer", "power of two"},
      {{"--buffer", "big"}, "--buffer", "big"},
      {{"--buffer", "4G"}, "--buffer", "power of two"},
      {{"--hook", "kprobe"}, "--hook", "fentry"},
      {{"--color", "red"}, "--color", "never"},
      {{"--no-such-option"}, "--no-such-option", "--help"},
      {{"--extendd"}, "--extendd", "did you mean --extended?"},
      {{"--cgroupmap", "x"}, "--cgroupmap", "write --cgroup"},
      {{"-Z"}, "-Z", "--help"},
      {{"-p"}, "--pid", "--help"},
      {{"-d"}, "--duration", "--help"},
      {{"positional"}, "positional", " -- positional"},
      {{"-x", "1"}, "1", " -- 1"},
      {{"--"}, "--", "give a command"},
      {{"--run-as", "root"}, "--run-as", "give it behind --"},
      {{"--tree", "x"}, "--tree", "give a number"},
      {{"--session", "x"}, "--session", "ps -o sid"},
      {{"--pid-ns", "x"}, "--pid-ns", "lsns -t pid"},
      {{"--container", "pod/"}, "--container", "give a name"},
      {{"--exclude-container", "ns/"}, "--exclude-container", "give a name"},
      {{"-d", "1", "-d", "2"}, "--duration", ""},
      {{"-p", "1\r2"}, "--pid", "1\\r2"},
  };
  for (const std::string& tool : common_code_tools()) {
    std::vector<Bad> cases = bad;
    cases.insert(cases.end(), deed_of(tool).bad.begin(), deed_of(tool).bad.end());
    for (const Bad& b : cases) {
      INFO(Json(b.args));
      const Result r = run_tool(tool, b.args);
      check_one_line(tool, r, 2, b.names);
      INFO(r.err);
      CHECK(r.err.find(b.says) != std::string::npos);
    }
    // Refused as well for who may not trace: before anything else is asked.
    check_one_line(tool, run({"setpriv", "--bounding-set=-all", "--inh-caps=-all", tool_path(tool), "-p", "x"}), 2, "--pid");
  }
}

TEST_CASE("options and values as other suites have them mean the same") {
  const std::string pid = std::to_string(getpid());
  const std::map<Args, Args> same{
      {{"--timestamp", "--print-uid"}, {"-T", "-U"}},
      {{"--extended-fields"}, {"-e"}},
      {{"--name=x", "--fails"}, {"-n", "x", "-x"}},
      {{"-p", pid + " 1\n" + pid}, {"-p", pid + ",1"}},
  };
  for (const std::string& tool : common_code_tools()) {
    for (const auto& [theirs, ours] : same) {
      Args a = theirs, b = ours;
      for (Args* args : {&a, &b}) args->insert(args->end(), {"-p", pid, "-d", "20ms"});
      INFO(Json(a));
      const Result their = run_tool(tool, a), our = run_tool(tool, b);
      CHECK(their.status == 0);
      CHECK(their.out == our.out);
    }
    const Result r = run_tool(tool, {"-n", "ng.*", "-p", pid, "-d", "20ms"});
    CHECK(r.status == 0);
    CHECK(r.err.find("--comm ng.*: a part of the name, no pattern") != std::string::npos);
    const Result none = run_tool(tool, {"--session", "4194303", "--mnt-ns", "4294967290", "-p", pid, "-d", "20ms"});
    CHECK(none.status == 0);
    CHECK(none.err.find("--session 4194303: no process is seen in that session now\n") != std::string::npos);
    CHECK(none.err.find("--mnt-ns 4294967290: no process is seen in that namespace now\n") != std::string::npos);
  }
  for (const Args& args : {Args{"opensnoop", "-F", "--full-path", "--flag_filter", "O_CREAT"},
                           Args{"execsnoop", "-q", "-P" + pid}, Args{"connectsnoop", "-P", "80"}}) {
    INFO(Json(args));
    CHECK(run_tool(args[0],
                   [&] {
                     Args rest(args.begin() + 1, args.end());
                     rest.insert(rest.end(), {"-p", pid, "-d", "20ms"});
                     return rest;
                   }())
              .status == 0);
  }
}

TEST_CASE("help and version go to standard output, with status 0") {
  for (const std::string& tool : common_code_tools()) {
    INFO(tool);
    const Result help = run_tool(tool, {"--help"}), h = run_tool(tool, {"-h"}), version = run_tool(tool, {"-V"});
    CHECK(help.status == 0);
    CHECK(help.err == "");
    CHECK(h.out.size() < help.out.size());
    CHECK(h.status == 0);
    std::istringstream in(help.out);
    for (std::string line; std::getline(in, line);) CHECK(line.size() <= 80);
    CHECK(version.status == 0);
    CHECK(version.err == "");
    CHECK(std::regex_match(version.out, std::regex(tool + " [0-9]+\\.[0-9]+\\.[0-9]+\n")));
    CHECK(run({"setpriv", "--bounding-set=-all", "--inh-caps=-all", tool_path(tool), "--help"}).status == 0);
    CHECK(run(by_shell(tool, "TOOL --help > /dev/full", {})).status == 1);
  }
}

TEST_CASE("comm: -n goes on behind the first event of another process") {  // peers.md 0, 2
  TempDir dir;
  const std::string path = dir.file("f"), name = "bn" + std::to_string(getpid());
  for (const std::string& tool : all_tools()) {
    INFO(tool);
    Actor other(deeds(tool, path, 100)), named([&](Json&t) {
      prctl(PR_SET_NAME, name.c_str());
      deeds(tool, path, 100)(t);
    });
    Tracer tracer(tool, {"-n", name});
    other.act();
    named.act();
    tracer.stop();
    CHECK(tracer.status() == 0);
    CHECK(tracer.lines().size() == 100);
  }
}

TEST_CASE("times are the event's own, not the printer's") {  // peers.md 0, 9
  TempDir dir;
  const std::string path = dir.file("f");
  const auto now = [] {
    timespec t{};
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
  };
  for (const std::string& tool : common_code_tools()) {
    INFO(tool);
    Actor actor(deeds(tool, path, 1));
    Tracer tracer(tool, {"-j", "-p", actor.id()});
    kill(tracer.pid(), SIGSTOP);  // it prints later
    const long long before = now();
    actor.act();
    const long long after = now();
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    kill(tracer.pid(), SIGCONT);
    tracer.stop();
    const auto events = tracer.events();
    REQUIRE(events.size() == 1);
    const long long time = time_of(events[0]["time"]);
    CHECK(time > before - 500'000'000);
    CHECK(time < after + 500'000'000);
  }
}

TEST_CASE("the tool never reports itself") {
  TempDir dir;
  const std::string path = dir.file("f"), name = "me" + std::to_string(getpid());
  for (const std::string& tool : all_tools()) {
    INFO(tool);
    const std::string copy = dir / name;
    std::filesystem::copy_file(tool_path(tool), copy, std::filesystem::copy_options::overwrite_existing);
    Actor actor([&](Json& t) {
      prctl(PR_SET_NAME, name.c_str());
      deeds(tool, path, 2)(t);
    });
    Args command = command_of(tool, {"-T", "-n", name});
    command[0] = copy;
    Tracer tracer(command);
    Tracer watcher("opensnoop", {"-j", "-p", std::to_string(tracer.pid())});
    const std::string id = actor.id();
    actor.act();
    tracer.stop();
    watcher.stop();
    CHECK(tracer.lines().size() == 2);
    for (const std::string& line : tracer.lines()) CHECK(line.find(" " + id + " ") != std::string::npos);
    if (tool == "opensnoop") CHECK(!watcher.events().empty());  // it did open something: the time zone
  }
}

TEST_CASE("memory: at most 20 MiB resident, and no growth") {
  TempDir dir;
  const std::string path = dir.file("f");
  for (const std::string& tool : common_code_tools()) {
    INFO(tool);
    Tracer tracer(by_shell(tool, "exec TOOL > /dev/null", {"-j", "-n", "mem" + std::to_string(getpid())}));
    const auto flood = [&] {
      Actor actor([&](Json& t) {
        prctl(PR_SET_NAME, ("mem" + std::to_string(getppid())).c_str());
        deeds(tool, path, many(20000))(t);
      });
      actor.act();
      return resident_kb(tracer.pid());
    };
    CHECK(resident_kb(tracer.pid()) > 0);
    CHECK(resident_kb(tracer.pid()) <= 20 * 1024);
    const long before = written_bytes(tracer.pid());
    kill(tracer.pid(), SIGSTOP);  // all in one batch: afterwards no other fills the output buffer more
    flood();
    kill(tracer.pid(), SIGCONT);
    eventually([&] { return written_bytes(tracer.pid()) > before; });
    const long first = flood();
    for (int i = 0; i < 3; i++) flood();
    const long last = flood();
    CHECK(last <= 20 * 1024);
    CHECK(last - first < 1024);
    tracer.stop();
    CHECK(tracer.status() == 0);
  }
}

TEST_CASE("SIGKILL leaves nothing behind") {
  for (const std::string& tool : all_tools()) {
    INFO(tool);
    Tracer tracer(tool, {"-p", "1"});
    std::set<__u32> programs, maps;
    const std::string fds = "/proc/" + std::to_string(tracer.pid()) + "/fdinfo";
    for (const auto& entry : std::filesystem::directory_iterator(fds)) {
      std::ifstream in(entry.path());
      for (std::string key, value; in >> key >> value;) {
        if (key == "prog_id:") programs.insert(static_cast<__u32>(std::stoul(value)));
        if (key == "map_id:") maps.insert(static_cast<__u32>(std::stoul(value)));
      }
    }
    REQUIRE(!programs.empty());
    REQUIRE(!maps.empty());
    const auto exists = [](int fd) { return fd >= 0 && close(fd) == 0; };
    for (const __u32 id : programs) CHECK(exists(bpf_prog_get_fd_by_id(id)));
    tracer.stop(SIGKILL);
    for (const __u32 id : programs) eventually([&] { return !exists(bpf_prog_get_fd_by_id(id)); });
    for (const __u32 id : maps) eventually([&] { return !exists(bpf_map_get_fd_by_id(id)); });
  }
}

TEST_CASE("verbose says which hooks were taken, and --hook insists") {
  for (const std::string& tool : all_tools()) {
    INFO(tool);
    REQUIRE(!tiers(tool).empty());
    const Result verbose = run_tool(tool, {"-v", "-p", "1", "-d", "0.1"});
    CHECK(verbose.status == 0);
    CHECK(verbose.err.find(": taken (") != std::string::npos);
    for (const char* tier : {"fentry", "tp"}) {
      const Result r = run_tool(tool, {"--hook", tier, "-p", "1", "-d", "0.1"});
      const auto possible = tiers(tool);
      const bool works = std::find(possible.begin(), possible.end(), tier) != possible.end();
      INFO(tier << r.err);
      CHECK(r.status == (works ? 0 : 1));
      if (!works) CHECK(r.err.starts_with(tool + ": "));
    }
  }
}
