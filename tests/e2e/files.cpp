// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// --file and --exclude-path, and what a tool says that shows nothing.
#include "deeds.h"
#include "exec.h"

#include <fcntl.h>
#include <pty.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>

using namespace harness;

namespace {

void touch(const std::string& path) { close(open(path.c_str(), O_RDONLY)); }

std::vector<std::string> paths(const std::vector<Json>& events) {
  std::vector<std::string> all;
  for (const Json& e : events) all.push_back(e["path"]);
  return all;
}

void own_mounts() {
  check(unshare(CLONE_NEWNS), "unshare");
  check(mount("", "/", "", MS_REC | MS_PRIVATE, ""), "mount /");
}

void bind_mount(const std::string& what, const std::string& where) {
  check(mount(what.c_str(), where.c_str(), nullptr, MS_BIND | MS_REC, nullptr), "mount --bind");
}

}  // namespace

TEST_CASE("S2: --file: one file by all its names: links, mounts, a chroot, overlays") {
  TempDir dir;
  check(mkdir((dir / "d").c_str(), 0755), "mkdir");
  const std::string path = dir.file("d/f"), other = dir.file("other"), hard = dir / "hard", link = dir / "link";
  check(::link(path.c_str(), hard.c_str()), "link");
  check(symlink("d/f", link.c_str()), "symlink");
  for (const char* d : {"root", "upper", "work", "merged"}) check(mkdir((dir / d).c_str(), 0755), d);
  const std::string overlay = "lowerdir=" + dir / "d" + ",upperdir=" + dir / "upper" + ",workdir=" + dir / "work";
  const auto deed = [&](Json&) {
    own_mounts();
    touch(path), touch(hard), touch(link), touch(other);
    bind_mount(path, other);
    touch(other);
    check(mount("overlay", (dir / "merged").c_str(), "overlay", 0, overlay.c_str()), "mount overlay");
    touch(dir / "merged/f");
    bind_mount("/", dir / "root");
    check(chroot((dir / "root").c_str()), "chroot");
    touch(path);
  };
  const std::vector<std::string> wanted{path, hard, path, other, dir / "merged/f", dir / "root" + path};
  for (const std::string& tier : tiers("opensnoop"))
    for (const std::string& name : {path, hard, link}) {
      INFO(tier << " " << name);
      CHECK(paths(trace("opensnoop", {"--hook", tier, "--file", "/nowhere", "--file", name}, deed)) == wanted);
    }
}

TEST_CASE("S2: --file and --path: a refused open by any name that means the file") {
  TempDir dir;
  const std::string path = dir.file("f"), name = dir.path().substr(dir.path().rfind('/') + 1);
  check(chmod(path.c_str(), 0), "chmod");
  const std::vector<std::string> names{path,
                                       dir / "./f",
                                       "/" + dir.path() + "//f",
                                       dir / "../" + name + "/f",
                                       dir / "none/../f",
                                       "./f",
                                       "../" + name + "/f",
                                       "../" + name + "/././/../" + name + "//f",
                                       "/../.." + path,
                                       std::string(3000, '/') + path};
  const auto deed = [&](Json&) {
    check(chdir(dir.path().c_str()), "chdir");
    check(setresuid(65534, 65534, 65534), "setresuid");
    for (const std::string& n : names) touch(n);
    for (const char* n : {"f2", "none", "f/x", "f/../g", "../f"}) touch(n);
  };
  check(chmod(dir.path().c_str(), 0755), "chmod");
  for (const std::string& tier : tiers("opensnoop"))
    for (const Args& by :
         {Args{"--file", path}, Args{"--path", path, "--exclude-path", path + "2", "--exclude-path", path + "/"}}) {
      INFO(tier << " " << by[0]);
      std::vector<std::string> requested;
      for (const Json& e : trace("opensnoop", Args{"--hook", tier, by[0], by[1]}, deed)) requested.push_back(e["requested"]);
      std::vector<std::string> wanted = names;
      if (by[0] == "--path") wanted.insert(wanted.end(), {"f2", "f/x", "f/../g"});
      CHECK(requested == wanted);
    }
}

TEST_CASE("files by --file: programs that run, and modes that change, by another name") {
  TempDir dir;
  const std::string program = dir / "program", hard = dir / "hard", file = dir.file("file"), alias = dir / "alias";
  argv_program(program);
  check(::link(program.c_str(), hard.c_str()), "link");
  check(::link(file.c_str(), alias.c_str()), "link");
  const std::string other = dir / "other";
  argv_program(other);
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    const auto run = [&](const std::string& p) {
      return executed(Args{"-j", "--hook", tier, "--file", program}, [p] { execl(p.c_str(), "p", nullptr); });
    };
    CHECK(run(hard).only()["exe"] == hard);
    CHECK(run(other).events.empty());
  }
  for (const std::string& tier : tiers("chmodsnoop")) {
    INFO(tier);
    const auto events = trace("chmodsnoop", {"--hook", tier, "--file", file}, [&](Json&) {
      for (const std::string& p : {other, alias}) check(chmod(p.c_str(), 0600), "chmod");
    });
    CHECK(paths(events) == std::vector<std::string>{alias});
  }
}

TEST_CASE("files by --file: a file that comes, and one that is replaced, as editors do it") {
  TempDir dir;
  const std::string path = dir / "later";
  const auto often = [&](Json&) {  // the tool has to hear of the file first
    for (int i = 0; i < 50; i++) touch(path), usleep(10'000);
  };
  Actor actor(often), again(often);
  Tracer tracer("opensnoop", {"-j", "-o", "pid,path", "-p", actor.id() + "," + again.id(), "--file", path});
  dir.file("later");
  const pid_t first = actor.pid(), second = again.pid();
  actor.act();
  std::filesystem::rename(dir.file("new"), path);
  again.act();
  tracer.stop();
  for (const char* text : {"there is no PATH yet; waiting for it", "PATH is there", "PATH is another file now"}) {
    INFO(text);
    CHECK(tracer.err().find(std::regex_replace(text, std::regex("PATH"), path)) != std::string::npos);
  }
  for (const pid_t pid : {first, second}) {
    const auto events = tracer.events();
    CHECK(std::ranges::count(events, Json(pid), [](const Json& e) { return e["pid"]; }) > 20);
  }
}

TEST_CASE("paths by --exclude-path: not what begins so, but what may mean something else") {
  TempDir dir;
  for (const char* d : {"in", "out"}) check(mkdir((dir / d).c_str(), 0755), d);
  const std::string in = dir.file("in/f"), out = dir.file("out/f");
  const auto deed = [&](Json&) {
    touch(in), touch(out), touch(dir / "in/none"), touch(dir / "out/none"), touch(dir / "in/../out/no");
  };
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    CHECK(paths(trace("opensnoop", {"--hook", tier, "--path", dir.path(), "--exclude-path", dir / "in/"}, deed)) ==
          std::vector<std::string>{out, dir / "out/none", dir / "in/../out/no"});
    CHECK(paths(trace("opensnoop", {"--hook", tier, "--exclude-path", dir / "out", "--exclude-path", dir / "in/n"}, deed)) ==
          std::vector<std::string>{in, dir / "in/../out/no"});
  }
}

TEST_CASE("S18: a tool whose filters left out everything says how much that was") {
  TempDir dir;
  const std::string path = dir.file("f");
  for (const std::string& tool : all_tools())
    for (const std::string& tier : tiers(tool)) {
      INFO(tool << " " << tier);
      constexpr unsigned kDeeds = 1234;
      Actor actor([&](Json&) {
        for (unsigned i = 0; i < kDeeds; i++) deed_for(tool, path);
      });
      Tracer tracer(tool, {"--hook", tier, "-n", "no such name"});
      actor.act();
      tracer.stop();
      INFO(tracer.err());
      std::smatch found;
      const std::string err = tracer.err();
      REQUIRE(std::regex_search(err, found, std::regex("0 events shown, 0 lost, ([0-9,]+) left out by the filters")));
      CHECK(std::stoul(std::regex_replace(found[1].str(), std::regex(","), "")) >= kDeeds);  // others do something, too
    }
}

TEST_CASE("S18: on a terminal it says so while it runs") {
  TempDir dir;
  int master = -1;
  const pid_t pid = forkpty(&master, nullptr, nullptr, nullptr);
  REQUIRE(pid >= 0);
  if (pid == 0) {
    execl(tool_path("opensnoop").c_str(), "opensnoop", "--path", (dir / "nothing").c_str(), nullptr);
    _exit(1);
  }
  std::string text;
  char buffer[4096];
  const std::regex said("opensnoop: [0-9,]+ opens seen, none matched yet");
  for (ssize_t n; !std::regex_search(text, said) && (n = read(master, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(n));
    if (text.find("tracing") != std::string::npos) touch("/");
  }
  INFO(text);
  CHECK(std::regex_search(text, said));
  kill(pid, SIGINT);
  while (read(master, buffer, sizeof buffer) > 0) {
  }
  int status = 0;
  waitpid(pid, &status, 0);
  close(master);
  CHECK(status == 0);
}
