// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "exec.h"

#include <cstring>

#include <fcntl.h>
#include <linux/magic.h>
#include <pty.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <fstream>

using namespace harness;

namespace {

std::string first_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

// Of /proc/self: UINT32_MAX says that there is none; so does a kernel without audit.
Json audit_id(const std::string& file) {
  const std::string id = first_line("/proc/self/" + file);
  return id.empty() || id == "4294967295" ? Json() : Json(std::stoul(id));
}

std::string rfc3339(const timespec& t) {
  char text[64], fraction[16];
  std::tm tm{};
  gmtime_r(&t.tv_sec, &tm);
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
  snprintf(fraction, sizeof fraction, ".%09ldZ", t.tv_nsec);
  return std::string(text) + fraction;
}

unsigned long long effective_caps() {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("CapEff:")) return std::stoull(line.substr(7), nullptr, 16);
  return 0;
}

int caps_named(const Json& caps) {
  if (caps.is_null()) return 0;
  const std::string text = caps;
  return static_cast<int>(1 + std::count(text.begin(), text.end(), ','));
}

std::string printed(mode_t perm) {
  char text[16];
  snprintf(text, sizeof text, "%04o", perm);
  return text;
}

// What the line of a program that ran says about its file.
void check_file(const Json& e, const std::string& path) {
  struct stat st {};
  check(stat(path.c_str(), &st), path.c_str());
  struct statfs fs {};
  check(statfs(path.c_str(), &fs), path.c_str());
  CHECK(e["dev"] == std::to_string(major(st.st_dev)) + ":" + std::to_string(minor(st.st_dev)));
  CHECK(e["inode"] == std::to_string(st.st_ino));
  CHECK(e["perm"] == printed(st.st_mode & 07777));
  CHECK(e["setuid"] == bool(st.st_mode & S_ISUID));
  CHECK(e["setgid"] == bool(st.st_mode & S_ISGID));
  CHECK(e["owner"] == st.st_uid);
  CHECK(e["group"] == st.st_gid);
  CHECK(e["mtime"] == rfc3339(st.st_mtim));
  CHECK(e["ctime"] == rfc3339(st.st_ctim));
  CHECK(e["memory"] == (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC));
  CHECK(e["upper"].is_null());
}

// What all lines of a program that ran say.
void check_success(const Json& e, const Executed& run, const std::string& exe) {
  CHECK(run.status == 0);
  CHECK(e["exe"] == exe);
  CHECK(e["args"] == run.args());
  CHECK(e["argc"] == run.args().size());
  CHECK_FALSE(e.contains("args_missing"));
  CHECK(e["pid"] == run.pid);
  CHECK(e["tid"] == run.pid);
  CHECK(e["ppid"] == getpid());
  CHECK(e["errno"] == 0);
  CHECK(e["error"].is_null());
  CHECK(e["src"] == "kernel");
  CHECK(e["deleted"] == false);
  CHECK(e["kthread"] == false);
}

void check_failure(const Json& e, const Executed& run, int error) {
  CHECK(run.status == error);
  CHECK(e["errno"] == error);
  CHECK(e["error"] == strerrorname_np(error));
  CHECK(e["pid"] == run.pid);
  CHECK(e["old_tid"] == run.pid);
  CHECK(e["old_uid"] == getuid());
  CHECK(e["old_caps"] == e["caps"]);
  CHECK(e["old_comm"] == e["comm"]);
  for (const char* key : {"setuid", "setgid", "memory", "deleted", "upper", "perm", "owner", "group", "dev", "inode", "mtime",
                          "ctime", "script", "interpreter"})
    CHECK(e[key].is_null());
}

const std::string src_of_name(const std::string& tier) { return tier == "tp" ? "user" : "kernel"; }

}  // namespace

TEST_CASE("execve: every field") {
  TempDir dir;
  const std::string path = argv_program(dir / "a program with a long name");
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    const Executed run = executed(tier, [&] {
      check(setsid(), "setsid");
      check(chdir(dir.path().c_str()), "chdir");
      check(dup2(open("/dev/null", O_RDONLY), 0), "dup2");
      prctl(PR_SET_NAME, "caller");
      Words argv({"not its name", "b c", "", "d"}), envp({"X=1"});
      execve(path.c_str(), argv.data(), envp.data());
    });
    const Json& e = run.only();
    check_success(e, run, path);
    check_file(e, path);
    CHECK(e["args"] == Json({"not its name", "b c", "", "d"}));
    CHECK(e["via"] == "execve");
    CHECK(e["comm"] == "a program with ");
    CHECK(e["thread"] == "a program with ");
    CHECK(e["old_comm"] == "caller");
    CHECK(e["old_tid"] == run.pid);
    CHECK(e["requested"] == path);
    CHECK(e["script"].is_null());
    CHECK(e["interpreter"].is_null());
    CHECK(e["cwd"] == dir.path());
    CHECK(e["uid"] == getuid());
    CHECK(e["euid"] == geteuid());
    CHECK(e["gid"] == getgid());
    CHECK(e["egid"] == getegid());
    CHECK(e["old_uid"] == getuid());
    CHECK(e["old_euid"] == geteuid());
    CHECK(e["old_gid"] == getgid());
    CHECK(e["old_egid"] == getegid());
    CHECK(caps_named(e["caps"]) == (e["caps"] == "all" ? 1 : std::popcount(effective_caps())));
    CHECK(e["old_caps"] == e["caps"]);
    CHECK(e["stdin"] == "char");
    CHECK(e["login_uid"] == audit_id("loginuid"));
    CHECK(e["audit_session"] == audit_id("sessionid"));
    CHECK(e["session"] == run.pid);
    CHECK(e["tty"].is_null());
  }
}

TEST_CASE("times of a program's file that ns in 64 bits do not reach") {
  char dir[] = "/dev/shm/needle-XXXXXX";
  if (!mkdtemp(dir)) CANNOT_TEST("no /dev/shm");
  const std::string path = argv_program(std::string(dir) + "/program");
  for (const std::string& tier : tiers("execsnoop"))
    for (const time_t sec : {0l, -1l, 9'223'372'037l, 13'569'465'600l, 253'402'300'799l, 253'402'300'800l, 1l << 60}) {
      INFO(tier << " " << sec);
      const timespec times[2] = {{sec, 123'456'789}, {sec, 123'456'789}};
      check(utimensat(AT_FDCWD, path.c_str(), times, 0), "utimensat");
      struct stat st {};
      check(stat(path.c_str(), &st), "stat");
      const Executed run = executed(tier, [&] {
        execl(path.c_str(), path.c_str(), nullptr);
        return 0;
      });
      REQUIRE(run.events.size() == 1);
      CHECK(run.events[0]["mtime"] == (sec > 253'402'300'799 ? Json() : Json(rfc3339(st.st_mtim))));
      CHECK(run.events[0]["ctime"] == rfc3339(st.st_ctim));
    }
  check(unlink(path.c_str()), "unlink"), check(rmdir(dir), "rmdir");
}

TEST_CASE("execveat: below a descriptor, and the descriptor itself") {
  TempDir dir;
  const std::string path = argv_program(dir / "program");
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    Executed run = executed(tier, [&] {
      Words argv({"p", "1"});
      check(dup2(static_cast<int>(check(open(dir.path().c_str(), O_PATH), "open")), 7), "dup2");
      syscall(SYS_execveat, 7, "program", argv.data(), environ, 0);
    });
    check_success(run.only(), run, path);
    check_file(run.only(), path);
    CHECK(run.only()["via"] == "execveat");
    CHECK(run.only()["requested"] == "/dev/fd/7/program");

    run = executed(tier, [&] {
      Words argv({"p", "2"});
      check(dup2(static_cast<int>(check(open(path.c_str(), O_RDONLY), "open")), 7), "dup2");
      fexecve(7, argv.data(), environ);
    });
    check_success(run.only(), run, path);
    check_file(run.only(), path);
    CHECK(run.only()["via"] == "execveat");
    CHECK(run.only()["requested"] == "/dev/fd/7");
  }
}

TEST_CASE("exec from a thread that is not the leader") {
  TempDir dir;
  const std::string path = argv_program(dir / "program");
  auto* caller = static_cast<pid_t*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    Executed run = executed(tier, [&] {
      prctl(PR_SET_NAME, "leader");
      std::thread([&] {
        prctl(PR_SET_NAME, "not the leader");
        *caller = gettid();
        Words argv({"p"});
        execv(path.c_str(), argv.data());
      }).join();
    });
    check_success(run.only(), run, path);
    CHECK(*caller != run.pid);
    CHECK(run.only()["old_tid"] == *caller);
    CHECK(run.only()["old_comm"] == "not the leader");
    CHECK(run.only()["via"] == "execve");

    run = executed(tier, [&] {
      prctl(PR_SET_NAME, "leader");
      int error = 0;
      std::thread([&] {
        *caller = gettid();
        prctl(PR_SET_NAME, "not the leader");
        Words argv({"p"});
        execv("/nonexistent", argv.data());
        error = errno;
      }).join();
      errno = error;
    });
    const Json& e = run.only();
    CHECK(e["error"] == "ENOENT");
    CHECK(e["tid"] == *caller);
    CHECK(e["old_tid"] == *caller);
    CHECK(e["comm"] == "leader");
    CHECK(e["thread"] == "not the leader");
    CHECK(e["old_comm"] == "not the leader");
  }
  munmap(caller, 4096);
}

TEST_CASE("execve and execveat through the 32-bit entry") {
  if (!have_int80()) {
    WARN("NOT TESTED: this kernel has no int $0x80");
    return;
  }
  TempDir dir;
  const std::string path = argv_program(dir / "program");
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    Executed run = executed(tier, [&] {
      int80(11, reinterpret_cast<long>(low(path)), reinterpret_cast<long>(low_words({"p", "32"})),
            reinterpret_cast<long>(low_words({})));
    });
    check_success(run.only(), run, path);
    CHECK(run.only()["via"] == "compat:execve");
    run = executed(tier, [&] {
      int80(358, AT_FDCWD, reinterpret_cast<long>(low(path)), reinterpret_cast<long>(low_words({"p", "32"})),
            reinterpret_cast<long>(low_words({})), 0);
    });
    check_success(run.only(), run, path);
    CHECK(run.only()["via"] == "compat:execveat");

    run = executed(tier, [&] {
      errno = -static_cast<int>(int80(11, reinterpret_cast<long>(low("/nonexistent")),
                                      reinterpret_cast<long>(low_words({"p", "", "32"})), reinterpret_cast<long>(low_words({}))));
    });
    check_failure(run.only(), run, ENOENT);
    CHECK(run.only()["via"] == "compat:execve");
    CHECK(run.only()["exe"] == "/nonexistent");
    CHECK(run.only()["args"] == Json({"p", "", "32"}));
    CHECK(run.only()["src"] == src_of_name(tier));
  }
}

TEST_CASE("a script and its interpreter") {
  TempDir dir;
  const std::string program = argv_program(dir / "program");
  dir.file("script", "#!" + dir.path() + "/link -o\n", 0755);
  check(symlink("program", (dir / "link").c_str()), "symlink");
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    const Executed run = executed(tier, [&] {
      check(chdir(dir.path().c_str()), "chdir");
      Words argv({"lost", "1"});
      execv("./script", argv.data());
    });
    const Json& e = run.only();
    check_success(e, run, program);
    check_file(e, program);
    CHECK(e["requested"] == "./script");
    CHECK(e["script"] == dir / "script");
    CHECK(e["interpreter"] == dir / "link");
    CHECK(e["args"] == Json({dir / "link", "-o", "./script", "1"}));
    CHECK(e["comm"] == "script");
  }
}

TEST_CASE("setuid and setgid: credentials before and after") {
  constexpr unsigned kNobody = 65534;
  TempDir dir;
  check(chmod(dir.path().c_str(), 0755), "chmod");
  const std::string path = argv_program(dir / "program", 06755);
  struct statvfs fs {};
  check(statvfs(path.c_str(), &fs), "statvfs");
  const bool works = !(fs.f_flag & ST_NOSUID);
  if (!works) WARN("NOT FULLY TESTED: " << path << " is mounted nosuid; set TMPDIR");
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    const Executed run = executed(tier, [&] {
      check(setresgid(kNobody, kNobody, kNobody), "setresgid");
      check(setresuid(kNobody, kNobody, kNobody), "setresuid");
      Words argv({"p"});
      execv(path.c_str(), argv.data());
    });
    const Json& e = run.only();
    check_success(e, run, path);
    check_file(e, path);
    CHECK(e["setuid"] == true);
    CHECK(e["setgid"] == true);
    for (const char* key : {"uid", "gid", "old_uid", "old_euid", "old_gid", "old_egid"}) CHECK(e[key] == kNobody);
    CHECK(e["euid"] == (works ? 0 : kNobody));
    CHECK(e["egid"] == (works ? 0 : kNobody));
    CHECK(e["old_caps"].is_null());
    CHECK(e["caps"].is_null() == !works);
  }
}

TEST_CASE("failed execs") {
  TempDir dir;
  const std::string plain = dir.file("plain", "x", 0644), noexec = dir.file("noexec", "x", 0755);
  const std::string program = argv_program(dir / "program");
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    const auto exec_of = [&](const std::string& name) {
      return executed(tier, [&dir, name] {
        check(chdir(dir.path().c_str()), "chdir");
        Words argv({"a", "b c", "", "d"});
        execv(name.c_str(), argv.data());
      });
    };
    for (const auto& [name, exe, error] :
         std::vector<std::tuple<std::string, std::string, int>>{{"no such", dir / "no such", ENOENT},
                                                                {"./plain/x", dir / "plain/x", ENOTDIR},
                                                                {plain, plain, EACCES},
                                                                {"noexec", noexec, ENOEXEC},
                                                                {"../../../../..", dir / "../../../../..", EACCES},
                                                                {"/nonexistent", "/nonexistent", ENOENT}}) {
      INFO(name);
      const Executed run = exec_of(name);
      const Json& e = run.only();
      check_failure(e, run, error);
      CHECK(e["exe"] == exe);
      CHECK(e["requested"] == name);
      CHECK(e["args"] == Json({"a", "b c", "", "d"}));
      CHECK(e["argc"] == 4);
      CHECK_FALSE(e.contains("args_missing"));
      CHECK(e["cwd"] == dir.path());
      CHECK(e["via"] == "execve");
      CHECK(e["src"] == src_of_name(tier));
    }

    Executed run = executed(tier, [&] {
      Words argv({"a"});
      check(dup2(static_cast<int>(check(open(dir.path().c_str(), O_PATH), "open")), 7), "dup2");
      syscall(SYS_execveat, 7, "none", argv.data(), environ, 0);
    });
    check_failure(run.only(), run, ENOENT);
    CHECK(run.only()["exe"] == dir / "none");
    CHECK(run.only()["requested"] == "none");
    CHECK(run.only()["via"] == "execveat");

    // By its descriptor alone: the file is known.
    run = executed(tier, [&] {
      Words argv({"a"});
      fexecve(static_cast<int>(check(open(noexec.c_str(), O_RDONLY), "open")), argv.data(), environ);
    });
    CHECK(run.only()["error"] == "ENOEXEC");
    CHECK(run.only()["exe"] == noexec);
    CHECK(run.only()["src"] == "fd");
    CHECK(run.only()["deleted"] == false);
    check_file(run.only(), noexec);

    // One argument of more than MAX_ARG_STRLEN.
    run = executed(tier, [&] {
      Words argv({"a", std::string(200'000, 'x'), "c"});
      execv(program.c_str(), argv.data());
    });
    const Json& e = run.only();
    CHECK(e["error"] == "E2BIG");
    CHECK(e["exe"] == program);
    CHECK(e["argc"] == 3);
    CHECK(e["args"][1].get<std::string>().find_first_not_of('x') == std::string::npos);
    CHECK(e["args_missing"].get<int>() > 0);

    // A name and an array that cannot be read.
    run = executed(tier, [] { execve(reinterpret_cast<char*>(8), reinterpret_cast<char**>(8), environ); });
    check_failure(run.only(), run, EFAULT);
    CHECK(run.only()["exe"].is_null());
    CHECK(run.only()["requested"].is_null());
    CHECK(run.only()["argc"].is_null());
    CHECK(run.only()["args_missing"].get<int>() > 0);
    CHECK(run.only()["src"] == "user");
  }
}

TEST_CASE("a terminal as standard input, and the session's") {
  TempDir dir;
  const std::string path = argv_program(dir / "program");
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    int master = -1, slave = -1;
    char name[64];
    check(openpty(&master, &slave, name, nullptr, nullptr), "openpty");
    const Executed run = executed(tier, [&] {
      check(setsid(), "setsid");
      check(ioctl(slave, TIOCSCTTY, 0), "TIOCSCTTY");
      check(dup2(slave, 0), "dup2");
      Words argv({"p"});
      execv(path.c_str(), argv.data());
    });
    check_success(run.only(), run, path);
    CHECK(run.only()["stdin"] == "tty");
    CHECK(run.only()["tty"] == std::string(name).substr(5));  // "/dev/"
    CHECK(run.only()["session"] == run.pid);
    close(master), close(slave);
  }
}

TEST_CASE("kinds of standard input") {
  TempDir dir;
  const std::string path = argv_program(dir / "program");
  const std::vector<std::pair<Json, std::function<int()>>> kinds{
      {"pipe",
       [] {
         int p[2];
         check(pipe(p), "pipe");
         return p[0];
       }},
      {"file", [&] { return open(path.c_str(), O_RDONLY); }},
      {"directory", [] { return open("/", O_RDONLY); }},
      {nullptr, [] { return -1; }},
  };
  for (const std::string& tier : tiers("execsnoop")) {
    for (const auto& [kind, make] : kinds) {
      INFO(tier << " " << kind.dump());
      const Executed run = executed(tier, [&, &make = make] {
        const int fd = make();
        if (fd < 0) close(0);
        else check(dup2(fd, 0), "dup2");
        Words argv({"p"});
        execv(path.c_str(), argv.data());
      });
      check_success(run.only(), run, path);
      CHECK(run.only()["stdin"] == kind);
    }
  }
}

TEST_CASE("the layers of an overlay") {
  TempDir dir;
  for (const char* d : {"lower", "upper", "work", "merged"}) check(mkdir((dir / d).c_str(), 0755), d);
  argv_program(dir / "lower/below");
  argv_program(dir / "upper/above");
  const std::string options = "lowerdir=" + dir / "lower" + ",upperdir=" + dir / "upper" + ",workdir=" + dir / "work";
  for (const std::string& tier : tiers("execsnoop")) {
    for (const auto& [name, upper] : {std::pair("below", false), std::pair("above", true)}) {
      INFO(tier << " " << name);
      const std::string path = dir / "merged/" + name;
      const Executed run = executed(tier, [&] {
        check(unshare(CLONE_NEWNS), "unshare");
        check(mount("", "/", "", MS_REC | MS_PRIVATE, ""), "mount /");
        check(mount("overlay", (dir / "merged").c_str(), "overlay", 0, options.c_str()), "mount overlay");
        Words argv({"p"});
        execv(path.c_str(), argv.data());
      });
      check_success(run.only(), run, path);
      CHECK(run.only()["upper"] == upper);
      CHECK(run.only()["memory"] == false);
    }
  }
}

TEST_CASE("the table, -x and --path") {
  TempDir dir;
  const std::string path = argv_program(dir / "program");
  const auto deed = [&] {
    Words argv({"it's", "b c", ""});
    execv("/nonexistent/program", argv.data());
    execv(path.c_str(), argv.data());
  };
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    const auto words = [](const std::string& line) {
      std::istringstream in(line);
      std::vector<std::string> all;
      for (std::string w; in >> w;) all.push_back(w);
      return all;
    };
    Executed run = executed(Args{"--hook", tier}, deed);
    REQUIRE(run.lines.size() == 2);
    const std::string pid = std::to_string(run.pid), parent = std::to_string(getpid());
    auto line = words(run.lines[0]);
    REQUIRE(line.size() > 5);
    CHECK(line[0] == pid);
    CHECK(line[2] == parent);
    CHECK(line[3] == "ENOENT");
    CHECK(line[4] == "/nonexistent/program");
    line = words(run.lines[1]);
    REQUIRE(line.size() > 5);
    CHECK(std::vector(line.begin(), line.begin() + 5) == std::vector<std::string>{pid, "program", parent, "-", path});
    CHECK(run.lines[1].ends_with(" 'b c' ''"));

    run = executed(Args{"--hook", tier, "-x"}, deed);
    REQUIRE(run.lines.size() == 1);
    CHECK(words(run.lines[0])[3] == "ENOENT");
    run = executed(Args{"--hook", tier, "--path", dir.path() + "/"}, deed);
    REQUIRE(run.lines.size() == 1);
    CHECK(words(run.lines[0])[4] == path);
    run = executed(Args{"--hook", tier, "--path", "/nonexistent/"}, deed);
    REQUIRE(run.lines.size() == 1);
    CHECK(words(run.lines[0])[4] == "/nonexistent/program");
    run = executed(Args{"--hook", tier, "-n", "progra"}, deed);
    REQUIRE(run.lines.size() == 1);
    CHECK(words(run.lines[0])[4] == path);
  }
}

TEST_CASE("options: --path matches a script, by its own name and through a symbolic link, not only its interpreter") {
  TempDir dir;
  argv_program(dir / "program");
  check(mkdir((dir / "scripts").c_str(), 0755), "mkdir");
  check(symlink("scripts", (dir / "link").c_str()), "symlink");
  dir.file("scripts/s", "#!" + dir.path() + "/program\n", 0755);
  const std::vector<std::tuple<std::string, std::string, bool>> cases{
      {dir / "scripts/", "scripts//./s", true}, {dir / "link/", "link/s", true},
      {dir / "link/", "./scripts/s", true},     {dir / "program", "./scripts/s", true},
      {dir / "other/", "./scripts/s", false},   {dir / "scripts/", "link/s", false}};  // the link is not followed
  for (const std::string& tier : tiers("execsnoop"))
    for (const auto& [prefix, name, shown] : cases) {
      INFO(tier << " " << prefix << " " << name);
      const Executed run = executed({"-j", "--hook", tier, "--path", prefix}, [&dir, &name] {
        check(chdir(dir.path().c_str()), "chdir");
        Words argv({"s"});
        execv(name.c_str(), argv.data());
      });
      REQUIRE(run.events.size() == (shown ? 1 : 0));
    }
}

TEST_CASE("marked as found: a script without its interpreter, and a program without its loader, are there") {
  TempDir dir;
  const auto traced = [&](const std::string& tier, const std::string& name) {
    return executed(tier, [&, name] {
      check(chdir(dir.path().c_str()), "chdir");
      Words argv({"a"});
      execv(name.c_str(), argv.data());
    });
  };
  const std::string secret = dir.file("secret", "x", 0600);
  dir.file("none", "#!/nonexistent/interpreter\n", 0755);
  dir.file("cr", "#!/bin/sh\r\n", 0755);
  dir.file("below", "#!/dev/null/x\n", 0755);
  dir.file("refused", "#!" + secret + "\n", 0755);
  check(symlink("none", (dir / "link").c_str()), "symlink");
  // The smallest program that asks for a loader.
  std::string elf(64 + 56, '\0');
  const auto put = [&elf](std::size_t at, unsigned long long value, std::size_t n) { std::memcpy(&elf[at], &value, n); };
  std::memcpy(elf.data(), "\177ELF\2\1\1", 7);
#ifdef __x86_64__
  put(16, 2, 2), put(18, 62, 2), put(20, 1, 4), put(32, 64, 8), put(52, 64, 2), put(54, 56, 2), put(56, 1, 2);
#else
  put(16, 2, 2), put(18, 183, 2), put(20, 1, 4), put(32, 64, 8), put(52, 64, 2), put(54, 56, 2), put(56, 1, 2);
#endif
  const std::string loader = "/nonexistent/loader";
  put(64, 3, 4), put(64 + 8, elf.size(), 8), put(64 + 32, loader.size() + 1, 8);  // PT_INTERP
  dir.file("elf", elf + loader + '\0', 0755);
  dir.file("by-script", "#!" + dir / "none" + "\n", 0755);
  dir.file("by-elf", "#!" + dir / "elf" + "\n", 0755);
  for (const std::string& tier : tiers("execsnoop")) {
    for (const auto& [name, file, error, missing] :
         std::vector<std::tuple<std::string, std::string, int, std::string>>{{"none", "none", ENOENT, "/nonexistent/interpreter"},
                                                                             {"./cr", "cr", ENOENT, "/bin/sh\r"},
                                                                             {"below", "below", ENOTDIR, "/dev/null/x"},
                                                                             {"refused", "refused", EACCES, secret},
                                                                             {"link", "none", ENOENT, "/nonexistent/interpreter"},
                                                                             {"elf", "elf", ENOENT, loader}}) {
      INFO(tier << " " << name);
      const Executed run = traced(tier, name);
      const Json& e = run.only();
      CHECK(run.status == error);
      CHECK(e["errno"] == error);
      CHECK(e["exe"] == dir / file);
      CHECK(e.value("exe_found", false));
      CHECK(e["requested"] == name);
      struct stat st {};
      check(stat((dir / file).c_str(), &st), "stat");
      CHECK(e["inode"] == std::to_string(st.st_ino));
      CHECK(e["interpreter"] == (tier == "tp" ? Json() : Json(missing)));
    }
    // What an interpreter needs, in turn.
    for (const auto& [name, missing] :
         {std::pair<std::string, std::string>{"by-script", "/nonexistent/interpreter"}, {"by-elf", loader}}) {
      INFO(tier << " " << name);
      const Executed run = traced(tier, name);
      CHECK(run.only()["errno"] == ENOENT);
      CHECK(run.only()["interpreter"] == (tier == "tp" ? Json() : Json(missing)));
    }
    for (const std::string& name : {dir / "nothing", secret, secret + "/x"}) {
      INFO(tier << " " << name);
      const Executed run = traced(tier, name);
      CHECK_FALSE(run.only().contains("exe_found"));
      CHECK(run.only()["interpreter"].is_null());
    }
  }
}
