// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A process that wants to be in another container than it is, in none, or in so many that nobody can tell.
#include "deeds.h"

#include <dirent.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>

using namespace harness;
namespace fs = std::filesystem;

namespace {

constexpr unsigned kNobody = 65534;

// Where cgroups can be made: of v2, and of a v1 controller where there are any.
std::vector<std::string> mounts() {
  std::vector<std::string> all;
  std::ifstream in("/proc/self/mounts");
  bool v1 = false;
  for (std::string what, where, type, options, rest; in >> what >> where >> type >> options && std::getline(in, rest);) {
    if (type == "cgroup2") all.push_back(where);
    if (type == "cgroup" && !v1 && ("," + options + ",").find(",pids,") != std::string::npos) all.push_back(where), v1 = true;
  }
  return all;
}

void move_to(const std::string& cgroup) {
  const int fd = static_cast<int>(check(open((cgroup + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC), cgroup.c_str()));
  check(write(fd, "0", 1), "write");
  close(fd);
}

std::string new_id() {
  static int n = 0;
  std::string id;
  for (const unsigned char c : std::to_string(getpid()) + "/" + std::to_string(n++))
    id += "0123456789abcdef"[c >> 4], id += "0123456789abcdef"[c & 15];
  return id + std::string(64 - id.size(), 'a');
}

// A cgroup that goes with all below it.
class Cgroup {
 public:
  explicit Cgroup(std::string path) : path_(std::move(path)) { check(mkdir(path_.c_str(), 0755), path_.c_str()); }
  ~Cgroup() { remove(path_); }
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;
  const std::string& path() const { return path_; }

 private:
  static void remove(const std::string& dir) {
    const int fd = open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) remove(fd);
    rmdir(dir.c_str());
  }
  // By descriptors: the path may be too long for a call.
  static void remove(int fd) {
    std::vector<std::string> names;
    DIR* dir = fdopendir(fd);
    while (const dirent* e = readdir(dir))
      if (e->d_type == DT_DIR && e->d_name[0] != '.') names.emplace_back(e->d_name);
    for (const std::string& name : names) {
      const int below = openat(dirfd(dir), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      if (below >= 0) remove(below);
      unlinkat(dirfd(dir), name.c_str(), AT_REMOVEDIR);
    }
    closedir(dir);
  }
  std::string path_;
};

// Makes so many cgroups one in the other, and moves to the innermost.
void go_down(const std::string& from, unsigned levels, const std::string& name) {
  check(chdir(from.c_str()), "chdir");
  for (unsigned i = 0; i < levels; i++) {
    check(mkdir(name.c_str(), 0755), "mkdir");
    check(chdir(name.c_str()), "chdir");
  }
  move_to(".");
}

// What each filter shows of a deed that a process does in a place.
struct Case {
  Args filter;
  bool shown;
};
void check_filters(const std::function<void()>& enter, const std::string& leave, const std::vector<Case>& cases,
                   const Json& container) {
  TempDir dir;
  const std::string path = dir.file("f");
  for (const std::string& tool : all_tools())
    for (const std::string& tier : tiers(tool))
      for (const auto& [filter, shown] : cases) {
        if (tool != "opensnoop" && filter != cases[0].filter) continue;
        INFO(tool << " " << tier << " " << Json(filter).dump());
        Actor actor([&](Json&) {
          enter();
          for (int i = 0; i < 3; i++) deed_for(tool, path);
          move_to(leave);
        });
        Args args{"-j", "-o", "pid,container,comm", "--hook", tier, "-p", actor.id()};
        if (tool == "opensnoop") args.insert(args.end(), {"-o", "+path", "--path", path});  // not the files of cgroups
        args.insert(args.end(), filter.begin(), filter.end());
        Tracer tracer(tool, args);
        actor.act();
        tracer.stop();
        CHECK(tracer.lost() == 0);
        auto events = tracer.events();
        std::erase_if(events, [](const Json& e) { return e.contains("path_cut"); });  // cgroup.procs, too deep for --path to tell
        CHECK(events.size() == (shown ? 3 : 0));
        for (const Json& e : events) CHECK(e["container"] == container);
      }
}

}  // namespace

TEST_CASE("11: a container is not left by depth, however deep and long the names") {
  for (const std::string& mount : mounts())
    for (const auto& [levels, length] : std::vector<std::pair<unsigned, std::size_t>>{{70, 2}, {40, 200}, {300, 3}}) {
      INFO(mount << ", " << levels << " of " << length);
      const std::string id = new_id();
      unsigned n = 0;
      const Cgroup cgroup(mount + "/docker-" + id + ".scope");
      check_filters(
          [&, levels = levels, length = length] {
            go_down(cgroup.path(), levels, std::string(length, 'd') + std::to_string(getpid()) + "." + std::to_string(n++));
          },
          mount, {{{"--container", id}, true}, {{"--host"}, false}, {{"--exclude-container", id}, false}}, id);
    }
}

TEST_CASE("11: what is too deep to tell is not known, and no filter drops it") {
  for (const std::string& mount : mounts()) {
    INFO(mount);
    const std::string id = new_id();
    const Cgroup cgroup(mount + "/needle-" + id);  // no container's name
    unsigned n = 0;
    check_filters([&] { go_down(cgroup.path(), 70, "d" + std::to_string(getpid()) + "." + std::to_string(n++)); }, mount,
                  {{{"--host"}, true}, {{"--container", id}, true}, {{"--exclude-container", id}, true}}, nullptr);
  }
  // In the table it has a mark, and what is known to be in none has another.
  const std::string mount = mounts()[0];
  TempDir dir;
  const std::string path = dir.file("f");
  const Cgroup cgroup(mount + "/needle-" + new_id());
  Actor actor([&](Json&) {
    close(open(path.c_str(), O_RDONLY));
    go_down(cgroup.path(), 70, "d");
    close(open(path.c_str(), O_RDONLY));
    move_to(mount);
  });
  Tracer tracer("opensnoop", {"-o", "container,container_name", "--path", path, "-p", actor.id()});
  actor.act();
  tracer.stop();
  CHECK(tracer.out() == "CONTAINER    CONTAINER_NAME\n-            -\n?            ?\n");
}

TEST_CASE("27: a container is not left by a cgroup that is made in it") {
  for (const std::string& mount : mounts()) {
    INFO(mount);
    const std::string id = new_id(), victim = new_id();
    const Cgroup cgroup(mount + "/docker-" + id + ".scope");
    for (const std::string& below : {std::string("/lxc"), "/docker-" + victim + ".scope", "/lxc.payload." + victim})
      mkdir((cgroup.path() + below).c_str(), 0755);
    for (const std::string& inner : {std::string("/lxc/x"), "/docker-" + victim + ".scope",
                                     "/docker-" + victim + ".scope/docker-" + new_id() + ".scope", "/lxc.payload." + victim}) {
      INFO(inner);
      mkdir((cgroup.path() + inner).c_str(), 0755);
      const bool claims = inner.find(victim) != std::string::npos;
      check_filters([&] { move_to(cgroup.path() + inner); }, mount,
                    {{{"--container", id}, true},
                     {{"--host"}, false},
                     {{"--exclude-container", victim}, true},
                     {{"--exclude-container", "x"}, true},
                     {{"--exclude-container", id}, false},
                     {{"--container", victim}, claims}},
                    id);
    }
  }
}

TEST_CASE("27: nobody leaves the host by a cgroup with the name of a container") {
  const std::string mount = mounts()[0], id = new_id();
  const std::string unit = mount + "/needle-" + id + ".service";
  const Cgroup service(unit);
  for (const char* file : {"", "/cgroup.procs"}) check(chown((unit + file).c_str(), kNobody, kNobody), "chown");
  for (const std::string& inner :
       {"/docker-" + id + ".scope", std::string("/lxc"), std::string("/lxc/needle-x"), "/libpod-" + id + ".scope", "/" + id}) {
    INFO(inner);
    const std::string shown = inner == "/lxc" ? "" : inner == "/lxc/needle-x" ? "needle-x" : id;
    check_filters(
        [&] {
          move_to(unit);
          check(setresgid(kNobody, kNobody, kNobody), "setresgid");
          check(setresuid(kNobody, kNobody, 0), "setresuid");
          mkdir((unit + inner).c_str(), 0755);
          move_to(unit + inner);
          check(setresuid(0, 0, 0), "setresuid");
        },
        mount,
        {{{"--host"}, true}, {{"--exclude-container", id + ",needle-x"}, true}, {{"--host", "--exclude-container", id}, true}},
        shown.empty() ? Json() : Json(shown));
  }
}

TEST_CASE("27: nor in the user's own slice, whoever made the cgroup") {
  const std::string mount = mounts()[0], id = new_id(), slice = mount + "/user.slice", of_user = slice + "/user-424242.slice";
  mkdir(slice.c_str(), 0755);
  {
    const Cgroup user(of_user), service(of_user + "/user@424242.service"), scope(service.path() + "/docker-" + id + ".scope");
    check_filters([&] { move_to(scope.path()); }, mount,
                  {{{"--host"}, true},
                   {{"--exclude-container", id}, true},
                   {{"--container", id}, true},
                   {{"--container", "another"}, true}},
                  id);
  }
  rmdir(slice.c_str());  // if it was not there
}

TEST_CASE("14: one user's files and cgroups do not keep the reader busy") {
  const std::string mount = mounts()[0], slice = mount + "/user.slice", uid = "424243",
                    of_user = slice + "/user-" + uid + ".slice";
  mkdir(slice.c_str(), 0755);
  TempDir dir, run;
  const std::string path = dir.file("f"), storage = run.path() + "/containers/overlay-containers";
  fs::create_directories(storage);
  Json large = Json::array();
  for (int i = 0; i < 2400; i++)
    large.push_back(
        {{"id", std::string(60, 'f') + std::to_string(1000 + i)}, {"names", {"x"}}, {"metadata", std::string(300, 'm')}});
  const std::string text = large.dump();
  REQUIRE(text.size() > 900'000);
  REQUIRE(text.size() < 1 << 20);
  for (const char* file : {"/containers.json", "/volatile-containers.json"}) std::ofstream(storage + file) << text;
  constexpr unsigned kCgroups = 60;
  const unsigned kOpens = many(40'000);
  {
    const Cgroup user(of_user), service(of_user + "/user@" + uid + ".service");
    std::vector<std::string> scopes;
    for (unsigned i = 0; i < kCgroups; i++) {
      scopes.push_back(service.path() + "/libpod-" + new_id() + ".scope");
      check(mkdir(scopes.back().c_str(), 0755), "mkdir");
    }
    const std::string at = "/run/user/" + uid;
    const bool made = fs::create_directories(at);
    // Waits for its turn a little in each cgroup, as a tracer that is busy would see them often.
    Actor actor([&](Json&) {
      for (unsigned i = 0; i < kOpens; i++) {
        if (i % (kOpens / (kCgroups * 4)) == 0) move_to(scopes[i / (kOpens / (kCgroups * 4)) % kCgroups]), usleep(5000);
        close(open(path.c_str(), O_RDONLY));
      }
      move_to(mount);
    });
    check(::mount(run.path().c_str(), at.c_str(), nullptr, MS_BIND, nullptr), "bind mount");
    Tracer tracer("opensnoop", {"-C", "--path", path, "-p", actor.id()});
    actor.act();
    std::ifstream stat("/proc/" + std::to_string(tracer.pid()) + "/stat");
    std::string word;
    std::vector<std::string> words;
    while (stat >> word) words.push_back(word);
    const double cpu =
        static_cast<double>(std::stol(words[13]) + std::stol(words[14])) / static_cast<double>(sysconf(_SC_CLK_TCK));
    tracer.stop();
    umount2(at.c_str(), MNT_DETACH);
    if (made) fs::remove(at);
    INFO("the reader took " << cpu << " s");
    CHECK(tracer.err() == "opensnoop: tracing, Ctrl-C to stop\n");  // nothing is lost
    const auto lines = tracer.lines();
    CHECK(lines.size() == kOpens);
    CHECK(lines.back().find(" ? ") != std::string::npos);
    CHECK(cpu < 1);
  }
  rmdir(slice.c_str());
}
