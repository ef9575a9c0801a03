// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// --container, --exclude-container, --host.
#include "containers.h"
#include "deeds.h"

#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

using namespace harness;
namespace fs = std::filesystem;

namespace {

using Pids = std::vector<pid_t>;

std::string slurp(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string unified_mount() {
  std::ifstream mounts("/proc/self/mounts");
  for (std::string what, where, type, rest; mounts >> what >> where >> type && std::getline(mounts, rest);)
    if (type == "cgroup2") return where;
  FAIL("there is no cgroup v2");
  return {};
}

void move_to(const std::string& cgroup) { std::ofstream(cgroup + "/cgroup.procs") << 0; }

// A container, as far as its cgroup tells. Nothing describes it.
class Box {
 public:
  explicit Box(char digit) : id(std::string(64, digit)), path_(unified_mount() + "/docker-" + unique(id) + ".scope") {}
  ~Box() { rmdir(path_.c_str()); }
  Box(const Box&) = delete;
  Box& operator=(const Box&) = delete;
  // The process enters it; it is made then.
  void enter() const {
    mkdir(path_.c_str(), 0755);
    move_to(path_);
  }
  static void leave() { move_to(unified_mount()); }

  std::string id;

 private:
  static const std::string& unique(std::string& id) {  // tests run at the same time
    const std::string pid = std::to_string(getpid());
    return id.replace(0, pid.size() + 1, pid + "f");
  }
  std::string path_;
};

Pids pids_of(const Tracer& tracer) {
  Pids pids;
  for (const Json& e : tracer.events()) pids.push_back(e["pid"]);
  std::sort(pids.begin(), pids.end());
  return pids;
}

}  // namespace

TEST_CASE("by id, of every tool, in each tier: also what starts later") {
  TempDir dir;
  const std::string path = dir.file("f");
  for (const std::string& tool : all_tools())
    for (const std::string& tier : tiers(tool)) {
      Box a('a'), b('b');
      const std::string missing = tool + ": no container is ";
      for (const auto& [filter, in_a, in_b, outside, says] : std::vector<std::tuple<Args, bool, bool, bool, std::string>>{
               {{"--container", a.id}, true, false, false, missing + "'" + a.id + "' yet\n"},
               {{"--container", a.id.substr(0, 12)}, true, false, false, missing + "'" + a.id.substr(0, 12) + "' yet\n"},
               {{"--container", "nosuch," + a.id, "--container", b.id},
                true,
                true,
                false,
                missing + "'nosuch' yet\n" + missing + "'" + a.id + "' yet\n" + missing + "'" + b.id + "' yet\n"},
               {{"--exclude-container", a.id}, false, true, true, ""},
               {{"--exclude-container", a.id + "," + b.id}, false, false, true, ""},
               {{"--host"}, false, false, true, ""},
               {{"--host", "--container", b.id}, false, true, true, missing + "'" + b.id + "' yet\n"},
               {{"--container", a.id.substr(0, 5)}, false, false, false, missing + "'" + a.id.substr(0, 5) + "' yet\n"},
               {{"--container", "pod/p,ns/n"}, false, false, false, missing + "'pod/p' yet\n" + missing + "'ns/n' yet\n"}}) {
        const bool one_of_all = filter.back() == a.id;  // the others only once
        if (!one_of_all && (tool != "opensnoop" || tier != tiers(tool)[0])) continue;
        INFO(tool << " " << tier << " " << Json(filter).dump());
        const auto act = [&](const Box* box) {
          return [&, box](Json&) {
            if (box) box->enter();
            for (int i = 0; i < 3; i++) deed_for(tool, path);
            if (box) Box::leave();
          };
        };
        Actor one(act(&a)), two(act(&b)), three(act(nullptr));
        Pids wanted;
        if (in_a) wanted.insert(wanted.end(), 3, one.pid());
        if (in_b) wanted.insert(wanted.end(), 3, two.pid());
        if (outside) wanted.insert(wanted.end(), 3, three.pid());
        std::sort(wanted.begin(), wanted.end());
        Args args{"-j", "-o", "pid", "--hook", tier, "-p", one.id() + "," + two.id() + "," + three.id()};
        if (tool == "opensnoop") args.insert(args.end(), {"--path", path});  // not the files of cgroups
        args.insert(args.end(), filter.begin(), filter.end());
        Tracer tracer(tool, args);
        one.act(), two.act(), three.act();
        tracer.stop();
        CHECK(tracer.status() == 0);
        CHECK(tracer.lost() == 0);
        CHECK(pids_of(tracer) == wanted);
        CHECK(
            tracer.err().starts_with(says + tool + ": tracing, Ctrl-C to stop\n"));  // with nothing shown, how many were left out
      }
    }
}

TEST_CASE("what is not wanted does not come to the buffer once it is known") {
  TempDir dir;
  const std::string path = dir.file("f");
  for (const std::string& tool : all_tools()) {
    INFO(tool);
    Box box('c');
    Actor stranger([&](Json&) { box.enter(), deed_for(tool, path), Box::leave(); });
    Actor flood([&](Json&) {
      box.enter();
      for (int i = 0; i < 5000; i++) deed_for(tool, path);
      Box::leave();
    });
    Actor before([&](Json&) { deed_for(tool, path); }), after([&](Json&) { deed_for(tool, path); });
    const Pids wanted{std::min(before.pid(), after.pid()), std::max(before.pid(), after.pid())};
    const std::string out = dir / tool, ids = before.id() + "," + after.id() + "," + stranger.id() + "," + flood.id();
    Args args = command_of(tool, {"-j", "-o", "pid", "--buffer", "4K", "--exclude-container", box.id, "-p", ids});
    args.insert(args.begin(), {"sh", "-c", "exec \"$@\" > " + out, "sh"});
    if (tool == "opensnoop") args.insert(args.end(), {"--path", path});
    Tracer tracer(args);
    stranger.act();
    before.act();
    const std::string line = "{\"pid\":";
    while (slurp(out).find("\n" + line) == std::string::npos) usleep(1000);  // by then the stranger's has been read as well
    kill(tracer.pid(), SIGSTOP);                                             // nobody reads
    flood.act();
    after.act();
    kill(tracer.pid(), SIGCONT);
    tracer.stop();
    CHECK(tracer.status() == 0);
    CHECK(tracer.err() == tool + ": tracing, Ctrl-C to stop\n");
    Pids pids;
    std::string text = slurp(out);
    drop_disturbed(text);
    Whole whole;
    take_whole(text, whole);
    std::istringstream in(text);
    for (std::string each; std::getline(in, each);)
      if (each.starts_with(line)) pids.push_back(Json::parse(each)["pid"]);  // no record of the stream itself
    std::sort(pids.begin(), pids.end());
    CHECK(pids == wanted);
  }
}

TEST_CASE("a count is of what is shown") {
  TempDir dir;
  const std::string path = dir.file("f");
  Box box('d');
  Actor inside([&](Json&) {
    box.enter();
    for (int i = 0; i < 5; i++) close(open(path.c_str(), O_RDONLY));
    Box::leave();
  });
  Actor outside([&](Json&) {
    for (int i = 0; i < 5; i++) close(open(path.c_str(), O_RDONLY));
  });
  const pid_t pid = outside.pid();
  Tracer tracer("opensnoop",
                {"-j", "-o", "pid", "--path", path, "--host", "--count", "2", "-p", inside.id() + "," + outside.id()});
  inside.act();
  outside.act();
  tracer.wait();
  CHECK(pids_of(tracer) == Pids{pid, pid});
}

TEST_CASE("Docker: by name, whenever it starts") {
  Docker docker;
  docker.start("needle-one");
  for (const Args& filter : std::vector<Args>{{"--container", "needle-one"},
                                              {"--container", docker.id("needle-one").substr(0, 12)},
                                              {"--container", "needle-late"},
                                              {"--exclude-container", "needle-one"},
                                              {"--host"}}) {
    INFO(Json(filter).dump());
    const bool late = filter[1 % filter.size()] == "needle-late", excluded = filter[0] == "--exclude-container",
               host = filter[0] == "--host";
    Tracer tracer("opensnoop", [&] {
      Args args{"-j", "-o", "comm,container_name,requested", "-n", "cat"};
      args.insert(args.end(), filter.begin(), filter.end());
      return args;
    }());
    CHECK(docker.exec("needle-one", {"/bin/cat", "/one"}).status == 1);
    CHECK(docker.run("needle-late", {"/bin/cat", "/late"}).status == 1);
    run({"cat", "/outside"});
    tracer.stop();
    CHECK(tracer.lost() == 0);
    std::vector<std::string> shown;
    for (const Json& e : tracer.events())
      for (const char* name : {"/one", "/late", "/outside"})
        if (e["requested"] == name) {
          shown.emplace_back(name);
          if (shown.back() == "/one") CHECK(e["container_name"] == "needle-one");
          if (shown.back() == "/outside") CHECK(e["container_name"].is_null());
        }
    CHECK(shown == (host       ? std::vector<std::string>{"/outside"}
                    : excluded ? std::vector<std::string>{"/late", "/outside"}
                    : late     ? std::vector<std::string>{"/late"}
                               : std::vector<std::string>{"/one"}));
    CHECK((tracer.err().find("no container is") != std::string::npos) == late);
  }
}

TEST_CASE("G: a container that gets another name has that one, for columns and filters") {
  Docker docker;
  docker.start("needle-old");
  int n = 0;
  const auto open_in = [&](const std::string& name) {
    const std::string file = "/needle-" + std::to_string(getpid()) + "-" + std::to_string(n++);
    CHECK(docker.exec(name, {"/bin/cat", file}).status == 1);
    return file;
  };
  Tracer columns("opensnoop", {"-j", "-o", "container_name,requested", "-n", "cat"});
  Tracer fresh("opensnoop", {"-j", "-o", "container_name,requested", "-n", "cat", "--container", "needle-new"});
  Tracer stale("opensnoop", {"-j", "-o", "container_name,requested", "-n", "cat", "--container", "needle-old"});
  Tracer without("opensnoop", {"-j", "-o", "container_name,requested", "-n", "cat", "--exclude-container", "needle-old"});
  const std::string before = open_in("needle-old");
  REQUIRE(docker.docker({"rename", "needle-old", "needle-new"}).status == 0);
  usleep(1'500'000);  // this is what is promised
  const std::string after = open_in("needle-new");
  const auto said = [&](Tracer& tracer) {
    tracer.stop();
    CHECK(tracer.lost() == 0);
    std::string all;
    for (const Json& e : tracer.events())
      if (e["requested"] == before || e["requested"] == after)
        all += (e["requested"] == before ? "before=" : "after=") + e["container_name"].dump() + " ";
    return all;
  };
  CHECK(said(columns) == "before=\"needle-old\" after=\"needle-new\" ");
  CHECK(said(fresh) == "after=\"needle-new\" ");
  CHECK(said(stale) == "before=\"needle-old\" ");
  CHECK(said(without) == "after=\"needle-new\" ");
  docker.docker({"rm", "--force", "needle-new"});
}

TEST_CASE("O: Docker's data root on the command line alone, and in the network of another container") {
  TempDir dir;
  for (const bool state : {true, false}) {
    INFO("containerd's state " << (state ? "is where it is looked for" : "is not there"));
    Docker docker({},
                  {"--data-root", dir / ("data" + std::to_string(state)), "--exec-root", dir / ("exec" + std::to_string(state))});
    docker.start("needle-one");
    const Result two = docker.docker({"run", "--detach", "--network", "container:needle-one", "--security-opt",
                                      "apparmor=unconfined", "--name", "needle-two", Docker::kImage, "/bin/sleep", "1000"});
    if (two.status != 0) FAIL(two.err);
    if (!state) check(mount("none", "/run/containerd", "tmpfs", 0, nullptr), "mount");
    Tracer tracer("opensnoop", {"-j", "-o", "container_name,requested", "-n", "cat", "--container", "needle-two"});
    if (!state) umount2("/run/containerd", MNT_DETACH);
    CHECK(docker.exec("needle-one", {"/bin/cat", "/needle-one"}).status == 1);
    CHECK(docker.exec("needle-two", {"/bin/cat", "/needle-two"}).status == 1);
    tracer.stop();
    CHECK(tracer.err().find("no container is") == std::string::npos);
    int shown = 0;
    for (const Json& e : tracer.events()) {
      CHECK(e["requested"] != "/needle-one");
      if (e["requested"] != "/needle-two") continue;
      CHECK(e["container_name"] == "needle-two");
      shown++;
    }
    CHECK(shown == 1);
    docker.docker({"rm", "--force", "needle-two"});
  }
}

TEST_CASE("S9: a container whose name is not known says so, and so does the tool at its start") {
  Box box('e');
  TempDir dir;
  const std::string path = dir.file("f");
  int go[2], done[2];
  REQUIRE(pipe(go) == 0);
  REQUIRE(pipe(done) == 0);
  Actor actor([&](Json&) {
    box.enter();
    char c = 0;
    (void)!write(done[1], "x", 1);
    (void)!read(go[0], &c, 1);
    close(open(path.c_str(), O_RDONLY));
    Box::leave();
  });
  actor.start();
  char c = 0;
  REQUIRE(read(done[0], &c, 1) == 1);
  Tracer tracer("opensnoop", {"-o", "container,container_name,image", "--path", path, "-p", actor.id()});
  Tracer filtered("opensnoop", {"--container", "needle-nosuch", "--path", path, "-p", actor.id()});
  REQUIRE(write(go[1], "x", 1) == 1);
  actor.finish();
  tracer.stop(), filtered.stop();
  REQUIRE(!tracer.lines().empty());
  CHECK(tracer.lines().back().starts_with(box.id.substr(0, 12)));
  std::istringstream in(tracer.lines().back());
  std::string id, name, image;
  in >> id >> name >> image;
  CHECK(name == "?");
  CHECK(image == "?");
  CHECK(filtered.err().find("opensnoop: no container is 'needle-nosuch' yet\nopensnoop: of ") != std::string::npos);
  CHECK(filtered.err().find(" containers that run the names are not known") != std::string::npos);
}

TEST_CASE("Kubernetes: by pod and namespace") {
  Containerd containerd("k8s.io", {{"io.kubernetes.cri.container-type", "container"},
                                   {"io.kubernetes.cri.sandbox-name", "web-5d9c"},
                                   {"io.kubernetes.cri.sandbox-namespace", "shop"},
                                   {"io.kubernetes.cri.container-name", "nginx"}});
  const std::string id(64, 'e');
  containerd.start(id);
  for (const auto& [filter, shows] : std::vector<std::pair<Args, bool>>{{{"--container", "pod/web-5d9c"}, true},
                                                                        {{"--container", "ns/shop"}, true},
                                                                        {{"--container", "nginx"}, true},
                                                                        {{"--container", "pod/we[bc]-*"}, true},
                                                                        {{"--container", "pod/*-web,n?inx"}, true},
                                                                        {{"--pod", "web-*", "--namespace", "shop"}, true},
                                                                        {{"--pod", "web-*", "--namespace", "test"}, false},
                                                                        {{"--exclude-container", "ns/*"}, false},
                                                                        {{"--container", "pod/web,ns/sho"}, false},
                                                                        {{"--exclude-container", "ns/shop"}, false}}) {
    INFO(Json(filter).dump());
    Args args{"-j", "-o", "pod,requested", "-n", "cat"};
    args.insert(args.end(), filter.begin(), filter.end());
    Tracer tracer("opensnoop", args);
    CHECK(containerd.exec(id, {"/bin/cat", "/absent"}).status == 1);
    tracer.stop();
    CHECK(tracer.lost() == 0);
    int shown = 0;
    for (const Json& e : tracer.events())
      if (e["requested"] == "/absent") shown++;
    CHECK(shown == shows);
  }
}

TEST_CASE(
    "options: --cgroup: a directory that is removed and made again, as by a service that starts anew, or that comes later") {
  TempDir dir;
  const std::string path = dir.file("f"), mount = unified_mount(), group = mount + "/needle-again-" + std::to_string(getpid());
  for (const std::string& tool : all_tools())
    for (const bool there : {true, false}) {
      INFO(tool << there);
      if (there) REQUIRE(mkdir(group.c_str(), 0755) == 0);
      // More than one, since the tool has to hear of the directory first.
      Actor actor([&](Json&) {
        move_to(group);
        for (int i = 0; i < 50; i++) deed_for(tool, path), usleep(10'000);
        move_to(mount);
      });
      const pid_t pid = actor.pid();
      Args args{"-j", "-o", "pid", "--cgroup", group};
      if (tool == "opensnoop") args.insert(args.end(), {"--path", path});
      Tracer tracer(tool, args);
      if (there) CHECK(rmdir(group.c_str()) == 0);
      REQUIRE(mkdir(group.c_str(), 0755) == 0);
      actor.act();
      CHECK(rmdir(group.c_str()) == 0);
      tracer.stop();
      CHECK(tracer.lost() == 0);
      const auto events = tracer.events();
      CHECK(events.size() > (tool == "connectsnoop" ? 0u : 20u));
      for (const Json& e : events) CHECK(e["pid"] == pid);
      const auto says = [&](const std::string& part) { return tracer.err().find(part) != std::string::npos; };
      if (there) CHECK((says(group + " has been made again") || says(group + " is gone")));
      else CHECK((says("there is no " + group + " yet; waiting for it") && says(group + " is there")));
    }
  const auto bad = [](const std::string& cgroup) { return run_tool("opensnoop", {"--cgroup", cgroup, "-d", "0.1"}).status; };
  CHECK(bad("/nonexistent/x") == 2);
  CHECK(bad(dir.path()) == 2);
  CHECK(bad(mount + "/cgroup.procs") == 2);
}

TEST_CASE("S11: --unit: a service of systemd, by its cgroup, whichever slice that is in, and also when it starts later") {
  TempDir dir;
  const std::string path = dir.file("f"), mount = unified_mount(), name = "needle" + std::to_string(getpid());
  const std::string slice = mount + "/" + name + ".slice", deeper = slice + "/" + name + "-a.slice",
                    unit = deeper + "/" + name + ".service", fake = slice + "/x.service";
  for (const bool there : {true, false}) {
    INFO(there);
    std::vector<std::string> made{slice, fake, fake + "/" + name + ".service"};
    if (there) made.insert(made.end(), {deeper, unit});
    for (const std::string& d : made) REQUIRE(mkdir(d.c_str(), 0755) == 0);
    const auto in = [&](const std::string& group) {
      return [&, group](Json&) {
        move_to(group);
        for (int i = 0; i < 50; i++) deed_for("opensnoop", path), usleep(10'000);  // the tool has to hear of it first
        move_to(mount);
      };
    };
    Actor other(in(fake + "/" + name + ".service")), actor(in(unit));
    const pid_t pid = actor.pid();
    Tracer tracer("opensnoop", {"-j", "-o", "pid", "--path", path, "--unit", name});
    if (!there)
      for (const std::string& d : {deeper, unit}) REQUIRE(mkdir(d.c_str(), 0755) == 0);
    other.act();
    actor.act();
    for (const std::string& d : {unit, deeper, fake + "/" + name + ".service", fake, slice}) CHECK(rmdir(d.c_str()) == 0);
    tracer.stop();
    const auto events = tracer.events();
    CHECK(events.size() > 20u);
    for (const Json& e : events) CHECK(e["pid"] == pid);
    const auto says = [&](const std::string& part) { return tracer.err().find(part) != std::string::npos; };
    CHECK(says(name + ".service does not run yet") == !there);
    CHECK(says(name + ".service is there") == !there);
  }
  CHECK(run_tool("opensnoop", {"--unit", "a/b"}).status == 2);
}
