// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Who did it: the columns of the context, for each tool.
#include "containers.h"
#include "deeds.h"
#include "harness.h"
#include "net.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <pty.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

using namespace harness;
namespace fs = std::filesystem;

namespace {

// One deed of a tool's kind that leaves the process as it was, whether it succeeds or not.
struct Kind {
  std::string tool;
  std::string name;
  std::function<void()> deed;
};

// With names inside this directory, which is not that of the process.
std::vector<Kind> kinds(const TempDir& dir) {
  const std::string file = dir.file("file");
  static const Address closed = closed_port();
  std::vector<Kind> all;
  for (const Deed* deed : all_deeds()) all.push_back({deed->tool, "its usual deed", [=] { deed->once(file); }});
  const std::vector<Kind> more{
      // Seen when it begins, sent by another hook when it ends.
      {"connectsnoop", "a connect of TCP", [] { connect(new_socket(AF_INET, SOCK_STREAM), closed.get(), closed.size); }},
      {"connectsnoop", "a datagram", [] { sendto(new_socket(AF_INET, SOCK_DGRAM), "x", 1, 0, closed.get(), closed.size); }},
      {"connectsnoop", "a connect of a UNIX socket",
       [=] {
         const Address absent = unix_address(file + "/absent");
         connect(new_socket(AF_UNIX, SOCK_STREAM), absent.get(), absent.size);
       }},
  };
  all.insert(all.end(), more.begin(), more.end());
  if (have_io_uring())
    all.push_back({"connectsnoop", "a connect of a UNIX socket by io_uring",
                   [=] { ring_connect(new_socket(AF_UNIX, SOCK_STREAM), unix_address(file + "/absent")); }});
  return all;
}

std::string slurp(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string comm_of(pid_t pid) {
  std::string comm = slurp("/proc/" + std::to_string(pid) + "/comm");
  if (!comm.empty()) comm.pop_back();
  return comm;
}

std::string link_of(const std::string& path) {
  std::string to(8192, '\0');
  to.resize(static_cast<std::size_t>(check(readlink(path.c_str(), to.data(), to.size()), path.c_str())));
  return to;
}

// A number of /proc/PID/status.
pid_t status_of(pid_t pid, const std::string& key) {
  std::istringstream in(slurp("/proc/" + std::to_string(pid) + "/status"));
  pid_t last = -1;
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(key + ":")) {
      std::istringstream words(line.substr(key.size() + 1));
      while (words >> last) {
      }
    }
  return last;
}

// As /proc has it now.
Json lineage_of(pid_t pid) {
  std::vector<Json> up;
  for (; pid > 0; pid = status_of(pid, "PPid")) up.push_back({{"pid", pid}, {"comm", comm_of(pid)}});
  return std::vector<Json>{up.rbegin(), up.rend()};
}

// What /proc says for "none" is null.
Json audit_id(const std::string& name) {
  const unsigned id = static_cast<unsigned>(std::stoul(slurp("/proc/self/" + name)));
  return id == ~0u ? Json() : Json(id);
}

std::string hex(const std::string& bytes) {
  std::string text;
  for (const unsigned char c : bytes) {
    text += "0123456789abcdef"[c >> 4];
    text += "0123456789abcdef"[c & 15];
  }
  return text;
}

void set_name(const std::string& name) { check(prctl(PR_SET_NAME, name.c_str()), "PR_SET_NAME"); }

// Does it under this name, and nothing else.
void as(const std::string& name, const std::function<void()>& deed) {
  const std::string before = comm_of(getpid());
  set_name(name);
  deed();
  set_name(before);
}

// Unlike any other's.
std::string own_name(const char* what) {
  static int n = 0;
  return std::string(what) + std::to_string(getpid() % 100000) + "." + std::to_string(n++ % 100);
}

// The tool by a shell: `TOOL` in the script is the tool with "$@".
Args by_shell(const std::string& tool, std::string script, const Args& args) {
  script.replace(script.find("TOOL"), 4, "'" + tool_path(tool) + "' \"$@\"");
  Args argv{"bash", "-c", script, "bash"};
  argv.insert(argv.end(), args.begin(), args.end());
  return argv;
}

const std::vector<std::string> kColumns = {"user",      "nspid",     "pcomm",   "session",        "login_uid", "audit_session",
                                           "tty",       "container", "runtime", "container_name", "image",     "pod",
                                           "namespace", "pod_uid",   "exe",     "pexe",           "cwd",       "lineage",
                                           "args",      "preload",   "sha256"};

// The lines of one deed of a process of this name, by -e.
std::vector<Json> traced(const Kind& k, const std::string& tier, const std::string& comm, const std::function<void(Json&)>& deed,
                         Json* truth = nullptr) {
  Actor actor(deed);
  Tracer tracer(k.tool, {"-j", "-e", "--hook", tier, "-n", comm});
  return trace(tracer, actor, truth);
}

// Waits for a child, which must end well.
void reap(pid_t child) {
  int status = -1;
  check(waitpid(child, &status, 0), "waitpid");
  if (status != 0) throw std::runtime_error("a child failed");
}

// Runs `deed` in a child of this name.
pid_t child_named(const std::string& name, const std::function<void()>& deed) {
  const pid_t pid = static_cast<pid_t>(check(fork(), "fork"));
  if (pid != 0) return pid;
  try {
    set_name(name);
    deed();
    _exit(0);
  } catch (...) {
    _exit(1);
  }
}

// Where the cgroups of v2, or of a controller of v1, are mounted; empty: nowhere.
std::string cgroup_mount(const std::string& controller = {}) {
  std::ifstream mounts("/proc/self/mounts");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream in(line);
    std::string what, where, type, options;
    in >> what >> where >> type >> options;
    if (controller.empty() ? type == "cgroup2"
                           : type == "cgroup" && ("," + options + ",").find("," + controller + ",") != std::string::npos)
      return where;
  }
  return {};
}

// A cgroup that exists as long as this.
class Cgroup {
 public:
  explicit Cgroup(const std::string& path) : path_(path) { check(mkdir(path.c_str(), 0755), path.c_str()); }
  ~Cgroup() { rmdir(path_.c_str()); }
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;
  void enter() const { move_to(path_); }
  static void move_to(const std::string& directory) {
    const int fd = static_cast<int>(check(open((directory + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC), directory.c_str()));
    check(write(fd, "0", 1), "write");
    close(fd);
  }

 private:
  std::string path_;
};

// 64 hexadecimal digits, unlike any other's.
std::string new_id() {
  static int n = 0;
  std::string id = hex(std::to_string(getpid()) + "/" + std::to_string(n++));
  while (id.size() < 64) id += "0123456789abcdef"[(id.size() * 7) % 16];
  return id.substr(0, 64);
}

}  // namespace

TEST_CASE("every column: what the process says of itself") {
  TempDir dir, home;
  const std::string hostile = home / "a\x1b[31m \n\xff>b";
  fs::create_directory(hostile);
  for (const Kind& k : kinds(dir))
    for (const std::string& tier : tiers(k.tool)) {
      INFO(k.tool << ", " << k.name << ", " << tier);
      int master = -1, slave = -1;
      char name[64];
      check(openpty(&master, &slave, name, nullptr, nullptr), "openpty");
      const std::string comm = own_name("all");
      Json truth;
      const auto events = traced(
          k, tier, comm,
          [&](Json& t) {
            check(setsid(), "setsid");
            check(ioctl(slave, TIOCSCTTY, 0), "TIOCSCTTY");
            check(chdir(hostile.c_str()), "chdir");
            std::ofstream("/proc/self/loginuid") << 4711 << std::flush;  // where there is one that may be set
            t = {{"exe", link_of("/proc/self/exe")},
                 {"pexe", link_of("/proc/" + std::to_string(getppid()) + "/exe")},
                 {"pcomm", comm_of(getppid())},
                 {"session", getsid(0)},
                 {"login_uid", audit_id("loginuid")},
                 {"audit_session", audit_id("sessionid")},
                 {"tty", std::string(name).substr(5)},
                 {"cwd_hex", hex(hostile)},
                 {"nspid", status_of(getpid(), "NSpid")},
                 {"lineage", lineage_of(getpid())},
                 {"pid", getpid()}};
            t["lineage"].back()["comm"] = comm;
            check(setresuid(65534, 65534, 65534), "setresuid");
            set_name(comm);
            k.deed();
          },
          &truth);
      close(master), close(slave);
      REQUIRE(events.size() == 1);
      if (k.tool == "execsnoop") truth.erase("exe");  // which is what is to be executed there
      truth["user"] = "nobody";
      if (truth["lineage"].size() > 17) truth.erase("lineage");  // tested below
      for (const auto& [key, value] : truth.items()) {
        INFO(key);
        CHECK((events[0].contains(key) ? events[0][key] : Json("MISSING")) == value);
      }
      for (const std::string& key : kColumns) CHECK(events[0].contains(key));
      for (const char* mark : {"cwd_deleted", "exe_deleted", "pexe_deleted", "cwd_missing"}) CHECK(!events[0].contains(mark));
    }
}

TEST_CASE("in a table each column is one word, and no name acts on the terminal") {
  TempDir dir, home;
  const std::string hostile = home / "a\x1b[31m \n\xff>b";
  fs::create_directory(hostile);
  const Kind k = kinds(dir)[0];
  const std::string comm = own_name("a > ");
  Actor actor([&](Json&) {
    set_name(comm);
    check(chdir(hostile.c_str()), "chdir");
    check(setresuid(12345, 12345, 12345), "setresuid");
    k.deed();
  });
  std::string columns;
  for (const std::string& c : kColumns) columns += c + ",";
  Tracer tracer(k.tool, {"-p", actor.id(), "-o", columns + "pid"});
  actor.act();
  tracer.stop();
  const auto lines = tracer.lines();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find_first_of("\x1b\n\t\xff") == std::string::npos);
  std::istringstream in(lines[0]);
  std::vector<std::string> words{std::istream_iterator<std::string>(in), {}};
  REQUIRE(words.size() == kColumns.size() + 1);
  const auto word = [&](const char* name) {
    return words[static_cast<std::size_t>(std::find(kColumns.begin(), kColumns.end(), name) - kColumns.begin())];
  };
  CHECK(word("user") == "-");
  CHECK(unescape(word("cwd")) == hostile);
  CHECK(word("tty") == "-");
  CHECK(word("container") == "-");
  CHECK(word("lineage").ends_with(">e2e_context>a\\x20\\x3e\\x20" + comm.substr(4)));
}

TEST_CASE("S6: args, preload, sha256: what the process runs with, also of one that goes on as another program") {
  TempDir dir;
  check(chmod(dir.path().c_str(), 0755), "chmod");  // the actor, who is not root, looks whether it is enough
  const std::string path = dir.file("file");
  const std::vector<std::string> loader{"LD_LIBRARY_PATH=/no such", "LD_PRELOAD=", "LD_AUDIT_NOT=1"};
  for (const Deed* deed : all_deeds()) {
    if (deed->other_thread) continue;  // a process that has ended is not there to be read
    const bool perl = static_cast<bool>(deed->perl);
    const std::string program = fs::canonical(perl ? "/usr/bin/perl" : "/bin/bash");
    // Its script starts another shell for a signal.
    const std::string once = deed->tool == "killsnoop" ? "kill -URG $$" : deed->script(path);
    const std::string script =
        perl ? "for (1..400) { " + deed->perl(path) + "; exit if -e '" + dir.path() +
                   "/enough'; select undef, undef, undef, 0.05 }"
             : "for i in {1..400}; do " + once + "; [ -e '" + dir.path() + "/enough' ] && exit; sleep 0.05; done";
    const std::vector<std::string> args{"name", perl ? "-e" : "-c", script, "two words", "", "\n\xc3\xa9"};
    for (const std::string& tier : tiers(deed->tool)) {
      INFO(deed->tool << " " << tier);
      fs::remove(dir / "enough");
      Actor actor([&](Json&) {
        reap(child_named("bash", [&] {
          std::vector<char*> argv, env{const_cast<char*>("PATH=/usr/bin:/bin"), const_cast<char*>("XLD_PRELOAD=no")};
          for (const std::string& a : args) argv.push_back(const_cast<char*>(a.c_str()));
          for (const std::string& e : loader) env.push_back(const_cast<char*>(e.c_str()));
          argv.push_back(nullptr), env.push_back(nullptr);
          check(setresuid(65534, 65534, 65534), "setresuid");
          check(execve(program.c_str(), argv.data(), env.data()), "execve");
        }));
      });
      Tracer tracer(by_shell(deed->tool, "exec TOOL > " + dir.path() + "/out",
                             {"-j", "--hook", tier, "--tree", actor.id(), "-o", "pid,comm,exe,args,preload,sha256"}));
      actor.start();
      const auto lines = [&] {
        std::vector<Json> all;
        std::istringstream in(slurp(dir / "out"));
        for (std::string line; std::getline(in, line);)
          if (const Json j = Json::parse(line, nullptr, false); !j.is_discarded() && j.contains("sha256")) all.push_back(j);
        return all;
      };
      // Known within a while, as long as such a process lives.
      Json last;
      for (int i = 0; i < 600 && last.is_null(); i++, usleep(50'000))
        for (const Json& e : lines())
          if (e["exe"] == (deed->tool == "execsnoop" ? path + "-none" : program) && !e["sha256"].is_null()) last = e;
      std::ofstream(dir / "enough");
      actor.finish();
      tracer.stop();
      REQUIRE(!last.is_null());
      CHECK(last["sha256"] == run({"sha256sum", program}).out.substr(0, 64));
      CHECK(last["preload"] == Json(loader));
      if (deed->tool != "execsnoop") CHECK(last["args"] == Json(args));  // there they are the new program's
    }
  }
}

TEST_CASE("args and preload that are long are cut, and say so") {
  TempDir dir;
  const std::string path = dir.file("file"), longer(10'000, 'x'), variable = "LD_PRELOAD=" + std::string(3000, 'p');
  for (const std::string& tier : tiers("opensnoop")) {
    Actor actor([&](Json&) {
      reap(child_named("sh", [&] {
        const std::string script = ": < " + path;
        const char* argv[] = {"sh", "-c", script.c_str(), longer.c_str(), nullptr};
        const char* env[] = {variable.c_str(), nullptr};
        execve("/bin/sh", const_cast<char**>(argv), const_cast<char**>(env));
      }));
    });
    Tracer tracer("opensnoop", {"-j", "--hook", tier, "-o", "args,preload", "--path", path});
    actor.act();
    tracer.stop();
    REQUIRE(tracer.events().size() == 1);
    const Json e = tracer.events()[0];
    const std::size_t whole = 3 + 3 + (": < " + path).size() + 1 + longer.size() + 1;
    CHECK(e["args"].back().get<std::string>().size() + e["args_missing"].get<std::size_t>() == longer.size() + 1);
    CHECK(whole - e["args_missing"].get<std::size_t>() == 4095);
    CHECK(e["preload"][0].get<std::string>() == variable);
  }
}

TEST_CASE("preload is what it was at the exec, whatever the process has made of its environment since") {
  TempDir dir;
  const std::string path = dir.file("file");
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    Actor actor([&](Json&) {
      reap(child_named("perl", [&] {
        // The name that it gives itself takes the place of its environment.
        const std::string script =
            "$0 = 'x' x 4000; open(F, '<', '/proc/self/environ') && <F> !~ /LD_/ && open(F, '<', '" + path + "')";
        const char* argv[] = {"perl", "-e", script.c_str(), nullptr};
        const char* env[] = {"LD_AUDIT_NOT=1", "PATH=/usr/bin", nullptr};
        execve("/usr/bin/perl", const_cast<char**>(argv), const_cast<char**>(env));
      }));
    });
    Tracer tracer("opensnoop", {"-j", "--hook", tier, "-o", "preload", "--path", path});
    actor.act();
    tracer.stop();
    REQUIRE(tracer.events().size() == 1);
    CHECK(tracer.events()[0]["preload"] == Json{"LD_AUDIT_NOT=1"});
  }
}

TEST_CASE("a program and a directory that have been removed") {
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    TempDir dir;
    const std::string file = dir.file("file"), shell = dir / "a shell", home = dir / "home";
    fs::copy_file(fs::canonical("/bin/sh"), shell);
    fs::create_directory(home);
    Actor actor([&](Json&) {
      reap(child_named("sh", [&] {
        check(chdir(home.c_str()), "chdir");
        execl(shell.c_str(), "sh", "-c", ("rm '" + shell + "'; rmdir '" + home + "'; : <" + file).c_str(), nullptr);
        check(-1, "execl");
      }));
    });
    Tracer json("opensnoop", {"-j", "-o", "exe,cwd,err,path", "--path", file, "--hook", tier});
    Tracer table("opensnoop", {"-o", "cwd,exe", "--path", file, "--hook", tier});
    actor.act();
    json.stop(), table.stop();
    CHECK(json.events() == std::vector<Json>{{{"exe", shell},
                                              {"exe_deleted", true},
                                              {"cwd", home},
                                              {"cwd_deleted", true},
                                              {"errno", 0},
                                              {"error", nullptr},
                                              {"path", file}}});
    REQUIRE(table.lines().size() == 2);  // with the heading
    CHECK(table.lines()[1].starts_with("\\deleted:" + home + " "));
    CHECK(table.lines()[1].ends_with(" \\deleted:" + shell));  // single blanks: it is the last
  }
}

TEST_CASE("without -e, and with columns of the usual table, nothing of it is there") {
  TempDir dir;
  const Kind k = kinds(dir)[0];
  for (const Json& e : trace(k.tool, {}, [&](Json&) { k.deed(); }))
    for (const std::string& c : kColumns) CHECK(!e.contains(c));
  const auto with = trace(k.tool, {"-C", "-o", "+lineage"}, [&](Json&) { k.deed(); });
  REQUIRE(with.size() == 1);
  for (const char* c : {"container", "container_name", "pod", "lineage", "src"}) CHECK(with[0].contains(c));
  for (const char* c : {"exe", "cwd"}) CHECK(!with[0].contains(c));
}

TEST_CASE("lineage: five levels whose middle dies") {
  TempDir dir;
  for (const Kind& k : kinds(dir))
    for (const std::string& tier : tiers(k.tool)) {
      INFO(k.tool << ", " << k.name << ", " << tier);
      const std::string leaf = own_name("leaf");
      Json truth;
      const auto events = traced(
          k, tier, leaf,
          [&](Json& t) {
            int said[2];
            check(pipe(said), "pipe");
            Json above = lineage_of(getpid());
            reap(child_named("one", [&] {  // ends when all have ended
              const pid_t one = getpid();
              check(prctl(PR_SET_CHILD_SUBREAPER, 1), "PR_SET_CHILD_SUBREAPER");
              reap(child_named("two", [&] {
                const pid_t two = getpid();
                child_named("three", [&] {
                  while (getppid() == two) sched_yield();
                  const pid_t three = getpid();
                  reap(child_named("four", [&] {
                    const pid_t four = getpid();
                    reap(child_named("five", [&] {
                      const std::string text = Json{one, two, three, four, getpid()}.dump();
                      check(write(said[1], text.data(), text.size()), "write");
                      as(leaf, k.deed);
                    }));
                  }));
                });
              }));
              while (waitpid(-1, nullptr, 0) > 0) {
              }
            }));
            char text[256];
            const long n = check(read(said[0], text, sizeof text), "read");
            t = {{"above", above}, {"pids", Json::parse(std::string(text, static_cast<std::size_t>(n)))}};
          },
          &truth);
      REQUIRE(events.size() == 1);
      const Json &lineage = events[0]["lineage"], &pids = truth["pids"];
      Json expected = truth["above"];
      // "one" is where the kernel hung "three" when "two" had died.
      const std::string names[] = {"one", "two", "three", "four", leaf};
      for (std::size_t i = 0; i < 5; i++) expected.push_back({{"pid", pids[i]}, {"comm", names[i]}});
      while (expected.size() > 17) expected.erase(expected.begin());
      CHECK(lineage == expected);
    }
}

TEST_CASE("lineage: the parent died, then an exec") {
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    TempDir dir;
    const std::string file = dir.file("file"), cat = dir / own_name("cat");
    fs::copy_file("/bin/cat", cat);
    Actor actor([&](Json& t) {
      check(prctl(PR_SET_CHILD_SUBREAPER, 1), "PR_SET_CHILD_SUBREAPER");
      t["parent"] = child_named("who dies", [&] {
        const pid_t parent = getpid();
        child_named("orphan", [&] {
          while (getppid() == parent) sched_yield();
          const int null = static_cast<int>(check(open("/dev/null", O_WRONLY), "open"));
          dup2(null, 1);
          execl(cat.c_str(), "cat", file.c_str(), nullptr);
          _exit(1);
        });
      });
      while (waitpid(-1, nullptr, 0) > 0) {
      }
    });
    Tracer tracer("opensnoop", {"-j", "-o", "ppid,pcomm,lineage", "--path", file, "--hook", tier});
    const pid_t reaper = actor.pid();
    const Json truth = actor.act();
    tracer.stop();
    const auto events = tracer.events();
    REQUIRE(events.size() == 1);
    CHECK(events[0]["ppid"] == reaper);  // as the kernel has it now
    CHECK(events[0]["pcomm"] == "e2e_context");
    const Json& l = events[0]["lineage"];
    REQUIRE(l.size() >= 3);
    CHECK(l[l.size() - 1]["comm"] == fs::path(cat).filename().string());
    CHECK(l[l.size() - 2] == Json{{"pid", truth["parent"]}, {"comm", "who dies"}});
    CHECK(l[l.size() - 3]["pid"] == reaper);
  }
}

TEST_CASE("lineage: a process with the id of one that died") {
  // A child with an id of our choice.
  const auto child_with_id = [](pid_t id, const std::function<void()>& deed) {
    clone_args args{};
    args.exit_signal = SIGCHLD;
    args.set_tid = reinterpret_cast<__u64>(&id);
    args.set_tid_size = 1;
    const pid_t pid = static_cast<pid_t>(check(syscall(SYS_clone3, &args, sizeof args), "clone3"));
    if (pid == 0) deed(), _exit(0);
    return pid;
  };
  TempDir dir;
  const Kind k = kinds(dir)[0];
  for (const std::string& tier : tiers(k.tool)) {
    INFO(tier);
    const std::string comm = own_name("same");
    Json truth;
    const auto events = traced(
        k, tier, comm,
        [&](Json& t) {
          // The first is a child of "old", and so is an orphan whose parent's id is used again as well.
          int go[2];
          check(pipe(go), "pipe");
          check(prctl(PR_SET_CHILD_SUBREAPER, 1), "PR_SET_CHILD_SUBREAPER");
          const pid_t old = child_named("old", [&] {
            reap(child_named(comm, k.deed));
            const int pipe_out = go[1];
            child_named(comm, [&] {
              close(pipe_out);
              char c;
              check(read(go[0], &c, 1), "read");
              k.deed();
            });
            _exit(0);
          });
          reap(old);
          // Now "old" is gone, and its id belongs to "new", whose child does the same deed.
          const pid_t again = child_with_id(old, [&] {
            set_name("new");
            reap(child_named(comm, k.deed));
          });
          reap(again);
          close(go[1]);
          while (waitpid(-1, nullptr, 0) > 0) {
          }
          t = {{"old", old}};
        },
        &truth);
    REQUIRE(events.size() == 3);
    const auto parent = [&](int i) {
      return events[static_cast<std::size_t>(i)]["lineage"][events[static_cast<std::size_t>(i)]["lineage"].size() - 2];
    };
    CHECK(parent(0) == Json{{"pid", truth["old"]}, {"comm", "old"}});
    CHECK(parent(1) == Json{{"pid", truth["old"]}, {"comm", "new"}});
    CHECK(parent(2) == Json{{"pid", truth["old"]}, {"comm", "old"}});
  }
}

TEST_CASE("lineage: of more than sixteen ancestors the nearest") {
  TempDir dir;
  const Kind k = kinds(dir)[0];
  const std::string comm = own_name("deep");
  const std::function<void(int)> descend = [&](int level) {
    if (level == 18) return set_name(comm), k.deed();
    reap(child_named("d" + std::to_string(level), [&] { descend(level + 1); }));
  };
  for (const std::string& tier : tiers(k.tool)) {
    INFO(tier);
    const auto events = traced(k, tier, comm, [&](Json&) { descend(0); });
    REQUIRE(events.size() == 1);
    const Json& lineage = events[0]["lineage"];
    REQUIRE(lineage.size() == 17);
    CHECK(events[0]["lineage_cut"] == true);
    for (std::size_t i = 0; i < 16; i++) CHECK(lineage[i]["comm"] == "d" + std::to_string(i + 1));
    CHECK(lineage[16]["comm"] == comm);
  }
}

TEST_CASE("datagrams where the cgroup hooks are refused") {
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    Actor actor([](Json& t) {
      const Address to = closed_port();
      const int fd = new_socket(AF_INET, SOCK_DGRAM), fd6 = new_socket(AF_INET6, SOCK_DGRAM);
      iovec byte{const_cast<char*>("x"), 1};
      mmsghdr messages[2]{};
      Address targets[] = {to, ip_address("127.0.0.2", to.port())};
      for (int i = 0; i < 2; i++) {
        messages[i].msg_hdr.msg_name = targets[i].get();
        messages[i].msg_hdr.msg_namelen = targets[i].size;
        messages[i].msg_hdr.msg_iov = &byte;
        messages[i].msg_hdr.msg_iovlen = 1;
      }
      t["all"] = {{"lineage", lineage_of(getpid())}, {"exe", link_of("/proc/self/exe")}, {"cwd", fs::current_path().string()}};
      t["raddr"] = {to.ip(), "127.0.0.2", "127.0.0.3", "::1"};
      check(sendmmsg(fd, messages, 2, 0), "sendmmsg");
      for (const char* ip : {"::ffff:127.0.0.3", "::1"}) {
        const Address to6 = ip_address(ip, to.port());
        check(sendto(fd6, "x", 1, 0, to6.get(), to6.size), "sendto");
      }
    });
    Args command{"setpriv", "--bounding-set", "-net_admin,-sys_admin", "--inh-caps", "-net_admin,-sys_admin"};
    for (const std::string& word :
         command_of("connectsnoop", {"-j", "--hook", tier, "-o", "src,lineage,exe,cwd,raddr,err", "-p", actor.id()}))
      command.push_back(word);
    Tracer tracer(command);
    const Json t = actor.act();
    tracer.stop();
    Json truth = t["all"];
    truth.update({{"src", tier == "tp" ? "user" : "kernel"}, {"errno", 0}, {"error", nullptr}});
    if (truth["lineage"].size() > 17) truth.erase("lineage");
    REQUIRE(tracer.events().size() == 4);
    for (std::size_t i = 0; i < 4; i++) {
      truth["raddr"] = t["raddr"][i];
      for (const auto& [key, value] : truth.items()) {
        INFO(key);
        CHECK(tracer.events()[i][key] == value);
      }
    }
  }
}

TEST_CASE("P: a parent whose first thread has ended still has a program") {
  TempDir dir;
  for (const Kind& k : kinds(dir))
    for (const std::string& tier : tiers(k.tool))
      for (const int more : {0, 40}) {
        if (more && k.tool != "opensnoop") continue;
        INFO(k.tool << ", " << k.name << ", " << tier << ", " << more);
        const std::string comm = own_name("orphan");
        Json truth;
        const auto events = traced(
            k, tier, comm,
            [&](Json& t) {
              t["exe"] = link_of("/proc/self/exe");
              const pid_t parent = static_cast<pid_t>(check(fork(), "fork"));
              if (parent == 0) {
                std::vector<std::thread> others;
                for (int i = 0; i < more; i++) others.emplace_back([] { pause(); });
                std::thread([&] {
                  while (slurp("/proc/self/task/" + std::to_string(getpid()) + "/stat").find(") Z ") == std::string::npos)
                    sched_yield();
                  int status = 1;
                  waitpid(child_named(comm, k.deed), &status, 0);
                  _exit(status);
                }).detach();
                syscall(SYS_exit, 0);  // this thread alone
              }
              reap(parent);
            },
            &truth);
        REQUIRE(events.size() == 1);
        CHECK(events[0]["pexe"] == truth["exe"]);
        CHECK(events[0]["comm"] == comm);
      }
}

TEST_CASE("nspid: in a pid namespace of its own") {
  TempDir dir;
  for (const Kind& k : kinds(dir))
    for (const std::string& tier : tiers(k.tool)) {
      INFO(k.tool << ", " << k.name << ", " << tier);
      const std::string comm = own_name("inner");
      Json truth;
      const auto events = traced(
          k, tier, comm,
          [&](Json& t) {
            check(unshare(CLONE_NEWPID), "unshare");
            const pid_t child = child_named(comm, k.deed);
            reap(child);
            t["pid"] = child;
          },
          &truth);
      REQUIRE(events.size() == 1);
      CHECK(events[0]["pid"] == truth["pid"]);
      CHECK(events[0]["nspid"] == 1);
    }
}

TEST_CASE("a container that is there for one deed") {
  TempDir dir;
  const std::string unified = cgroup_mount();
  REQUIRE(!unified.empty());
  struct Case {
    std::string mount, path, id, runtime;
  };
  std::vector<Case> cases;
  std::string id = new_id();
  cases.push_back({unified, "/docker-" + id + ".scope", id, "docker"});
  id = new_id();
  cases.push_back({unified, "/cri-containerd-" + id + ".scope", id, "containerd"});
  if (const std::string v1 = cgroup_mount("pids"); !v1.empty()) {  // the first controller that is asked
    id = new_id();
    cases.push_back({v1, "/docker-" + id + ".scope", id, "docker"});
  }
  for (const Case& c : cases)
    for (const Kind& k : kinds(dir))
      for (const std::string& tier : tiers(k.tool)) {
        INFO(c.mount << c.path << ", " << k.tool << ", " << k.name << ", " << tier);
        const std::string comm = own_name("short");
        const auto events = traced(k, tier, comm, [&](Json&) {
          {
            const Cgroup cgroup(c.mount + c.path);
            cgroup.enter();
            as(comm, k.deed);
            Cgroup::move_to(c.mount);
          }
          as(comm, k.deed);
        });
        REQUIRE(events.size() == 2);
        CHECK(events[0]["container"] == c.id);
        CHECK(events[0]["runtime"] == c.runtime);
        for (const char* none : {"container_name", "image", "pod", "namespace", "pod_uid"}) CHECK(events[0][none].is_null());
        for (const char* none : {"container", "runtime"}) CHECK(events[1][none].is_null());
      }
  const Kind k = kinds(dir)[0];
  const std::string comm = own_name("short");
  Actor actor([&](Json&) {
    const Cgroup cgroup(cases[0].mount + cases[0].path);
    cgroup.enter();
    as(comm, k.deed);
    Cgroup::move_to(cases[0].mount);
  });
  Tracer tracer(k.tool, {"-n", comm, "-o", "container,runtime,container_name"});
  actor.act();
  tracer.stop();
  CHECK(tracer.out() == "CONTAINER    RUNTIME    CONTAINER_NAME\n" + cases[0].id.substr(0, 12) + " docker     ?\n");
}

namespace {

// What a tool says of a command that is run in a container.
void shown(Runtime& runtime, const std::string& name, Json expected) {
  runtime.start(name);
  const std::string file = "/etc/" + own_name("needle");
  for (const auto& [key, value] : expected.items())
    if (value == "ID") expected[key] = runtime.id(name);
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    Tracer tracer("opensnoop", {"-j", "-o", "container,runtime,container_name,image,pod,namespace,pod_uid,nspid,path", "--hook",
                                tier, "--path", file});
    Tracer table("opensnoop", {"-C", "--hook", tier, "--path", file});
    runtime.exec(name, {"/bin/cat", file});
    tracer.stop(), table.stop();
    const auto events = tracer.events();
    REQUIRE(!events.empty());
    for (Json e : events) {
      CHECK(e["nspid"] > 0);
      e.erase("nspid");
      CHECK(e == [&] {
        Json all = expected;
        all["path"] = file;
        return all;
      }());
    }
    REQUIRE(table.lines().size() == events.size());
    std::istringstream in(table.lines()[0]);
    std::string pid, comm, container, container_name, pod;
    in >> pid >> comm >> container >> container_name >> pod;
    CHECK(container == expected["container"].get<std::string>().substr(0, 12));
    CHECK(unescape(container_name) ==
          (expected["container_name"].is_null() ? "" : expected["container_name"].get<std::string>()));
    CHECK(unescape(pod) == (expected["pod"].is_null() ? "" : expected["pod"].get<std::string>()));
  }
  runtime.remove(name);
}

}  // namespace

TEST_CASE("real containers: runc") {
  Runc runc;
  shown(runc, "needle-context",
        {{"container", "needle-context"},
         {"runtime", "runc"},
         {"container_name", "needle-context"},
         {"image", nullptr},
         {"pod", nullptr},
         {"namespace", nullptr},
         {"pod_uid", nullptr}});
}

TEST_CASE("real containers: containerd, as Kubernetes uses it") {
  Containerd containerd("k8s.io", {{"io.kubernetes.cri.container-type", "container"},
                                   {"io.kubernetes.cri.sandbox-name", "web-5d9c"},
                                   {"io.kubernetes.cri.sandbox-namespace", "shop"},
                                   {"io.kubernetes.cri.sandbox-uid", "eb052b63-ea96-4728-ab4a-64ab3babccd7"},
                                   {"io.kubernetes.cri.container-name", "nginx"},
                                   {"io.kubernetes.cri.image-name", "docker.io/library/nginx:1.25"}});
  const std::string id = new_id();
  shown(containerd, id,
        {{"container", id},
         {"runtime", "containerd"},
         {"container_name", "nginx"},
         {"image", "docker.io/library/nginx:1.25"},
         {"pod", "web-5d9c"},
         {"namespace", "shop"},
         {"pod_uid", "eb052b63-ea96-4728-ab4a-64ab3babccd7"}});
  // One that is there for one command.
  const std::string file = "/etc/" + own_name("needle");
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    Tracer tracer("opensnoop", {"-j", "-o", "container", "--hook", tier, "--path", file});
    const std::string brief = new_id();
    containerd.run(brief, {"/bin/cat", file});
    tracer.stop();
    const auto events = tracer.events();
    REQUIRE(!events.empty());
    for (const Json& e : events) CHECK(e["container"] == brief);
  }
}

TEST_CASE("real containers: Docker") {
  Docker docker;
  shown(docker, "needle-context",
        {{"container", "ID"},
         {"runtime", "docker"},
         {"container_name", "needle-context"},
         {"image", Docker::kImage},
         {"pod", nullptr},
         {"namespace", nullptr},
         {"pod_uid", nullptr}});
}
