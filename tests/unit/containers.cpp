// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Names from the runtimes' state on disk: trees made by hand after the documented formats.
#include "who/container.h"
#include "harness.h"
#include "who/json.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <chrono>
#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <random>

using namespace needle;
using namespace harness;
namespace fs = std::filesystem;

namespace {

const std::string a = "3726184226f5d3147c25fdeab5b60097e378e8a720503a5e19ecfdf29f869860";
const std::string b = "9d5b23edb1ba181e8910389a99906598d69ac9a0ead109ee55730cc416d95f7f";
const std::string uid = "eb052b63-ea96-4728-ab4a-64ab3babccd7", uid_ = "eb052b63_ea96_4728_ab4a_64ab3babccd7";
const std::string pods = "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + uid_ + ".slice";
const std::string tasks = "/run/containerd/io.containerd.runtime.v2.task/";
const std::string of_docker = "/var/lib/docker";
const std::string of_podman = "/var/lib/containers/storage/overlay-containers/containers.json";

// A system's file tree.
class Tree {
 public:
  const std::string& path() const { return dir_.path(); }
  std::string at(const std::string& path) const { return dir_.path() + path; }
  void put(const std::string& path, const std::string& content) const {
    fs::create_directories(fs::path(at(path)).parent_path());
    std::ofstream(at(path)) << content;
  }
  void put(const std::string& path, const Json& content) const { put(path, content.dump()); }
  void link(const std::string& path, const std::string& to) const {
    fs::create_directories(fs::path(at(path)).parent_path());
    fs::create_symlink(to, at(path));
  }

 private:
  TempDir dir_;
};

std::string shown(const Container* c) {
  if (!c) return "none";
  return "id=" + c->id + " runtime=" + c->runtime + " name=" + c->name + " image=" + c->image + " pod=" + c->pod +
         " ns=" + c->ns + " uid=" + c->pod_uid;
}
std::string shown(const Tree& tree, const std::string& cgroup) { return shown(Containers(tree.path()).of(cgroup)); }

Json annotated(const Json& annotations) {
  return {{"ociVersion", "1.0.2"}, {"annotations", annotations}, {"linux", {{"cgroupsPath", "/x"}}}};
}

const Json kKubernetes = annotated({{"io.kubernetes.cri.container-type", "container"},
                                    {"io.kubernetes.cri.container-name", "nginx"},
                                    {"io.kubernetes.cri.image-name", "docker.io/library/nginx:1.25"},
                                    {"io.kubernetes.cri.sandbox-name", "web-5d9c"},
                                    {"io.kubernetes.cri.sandbox-namespace", "shop"},
                                    {"io.kubernetes.cri.sandbox-uid", uid}});
const std::string kKubernetesShown = " name=nginx image=docker.io/library/nginx:1.25 pod=web-5d9c ns=shop uid=" + uid;

Json of_dockerd(const std::string& name, const Json& labels = Json::object()) {
  return {{"ID", a},
          {"Name", "/" + name},
          {"Image", "sha256:" + b},
          {"State", {{"Name", "no"}}},
          {"Config", {{"Image", "debian:12"}, {"Labels", labels}}}};
}

Json in_storage(const std::string& id, const std::string& name, const std::string& image) {
  return {{"id", id},
          {"names", {name, "another"}},
          {"image", b},
          {"layer", b},
          {"metadata", Json{{"image-name", image}, {"image-id", b}, {"name", name}, {"created-at", 1700000000}}.dump()}};
}

}  // namespace

TEST_CASE("containerd: a container of Kubernetes") {
  Tree tree;
  tree.put(tasks + "k8s.io/" + a + "/config.json", kKubernetes);
  CHECK(shown(tree, pods + "/cri-containerd-" + a + ".scope") == "id=" + a + " runtime=containerd" + kKubernetesShown);
  CHECK(shown(tree, pods + "/cri-containerd-" + a + ".scope/init.scope") == "id=" + a + " runtime=containerd" + kKubernetesShown);
  CHECK(shown(tree, "/kubepods/besteffort/pod" + uid + "/" + a) == "id=" + a + " runtime=containerd" + kKubernetesShown);
  CHECK(shown(tree, "/x.service/kubepods-besteffort-pod" + uid_ + ".slice:cri-containerd:" + a) ==
        "id=" + a + " runtime=containerd" + kKubernetesShown);
  CHECK(shown(tree, pods + "/cri-containerd-" + b + ".scope") ==
        "id=" + b + " runtime=containerd name= image= pod= ns= uid=" + uid);
}

TEST_CASE("containerd: the pause container of a pod has no name") {
  Tree tree;
  tree.put("/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/" + a + "/config.json",
           annotated({{"io.kubernetes.cri.container-type", "sandbox"},
                      {"io.kubernetes.cri.sandbox-name", "web-5d9c"},
                      {"io.kubernetes.cri.sandbox-namespace", "shop"}}));
  CHECK(shown(tree, pods + "/cri-containerd-" + a + ".scope") ==
        "id=" + a + " runtime=containerd name= image= pod=web-5d9c ns=shop uid=" + uid);
}

TEST_CASE("containerd: nerdctl's names, and no word of a pod outside Kubernetes") {
  Tree tree;
  tree.put(tasks + "default/" + a + "/config.json",
           annotated({{"nerdctl/name", "web"}, {"io.kubernetes.cri.sandbox-name", "claimed"}}));
  CHECK(shown(tree, "/system.slice/nerdctl-" + a + ".scope") == "id=" + a + " runtime=containerd name=web image= pod= ns= uid=");
}

TEST_CASE("containerd: ctr's containers, whose names the path alone does not tell") {
  Tree tree;
  Json config = annotated(Json::object());
  config["linux"]["cgroupsPath"] = "/default/box";
  tree.put(tasks + "default/box/config.json", config);
  CHECK(shown(tree, "/default/box") == "id=box runtime=containerd name=box image= pod= ns= uid=");
  CHECK(shown(tree, "/default/box/below") == "id=box runtime=containerd name=box image= pod= ns= uid=");
  CHECK(shown(tree, "/other/box") == "none");
  CHECK(shown(tree, "/default") == "none");
  CHECK(shown(tree, "/system.slice/box") == "none");
}

TEST_CASE("Docker") {
  Tree tree;
  tree.put(of_docker + "/containers/" + a + "/config.v2.json", of_dockerd("web"));
  const std::string web = "id=" + a + " runtime=docker name=web image=debian:12 pod= ns= uid=";
  CHECK(shown(tree, "/docker/" + a) == web);
  CHECK(shown(tree, "/system.slice/docker-" + a + ".scope") == web);
  CHECK(shown(tree, "/system.slice/docker-" + a + ".scope/system.slice/ssh.service") == web);
  CHECK(shown(tree, "/my-parent/" + a) == web);  // --cgroup-parent
}

TEST_CASE("Docker: another data root") {
  Tree tree;
  const std::string web = "id=" + a + " runtime=docker name=web image=debian:12 pod= ns= uid=";
  tree.put("/srv/docker/containers/" + a + "/config.v2.json", of_dockerd("web"));
  CHECK(shown(tree, "/docker/" + a) == "id=" + a + " runtime=docker name= image= pod= ns= uid=");
  SECTION("by the daemon's configuration") {
    tree.put("/etc/docker/daemon.json", Json{{"data-root", "/srv/docker"}});
    CHECK(shown(tree, "/docker/" + a) == web);
  }
  SECTION("by what dockerd has told containerd") {
    tree.put("/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/" + a + "/config.json",
             {{"mounts",
               {{{"destination", "/proc"}, {"source", "proc"}},
                {{"destination", "/etc/hostname"}, {"source", "/srv/docker/containers/" + a + "/hostname"}}}}});
    CHECK(shown(tree, "/docker/" + a) == web);
    CHECK(shown(tree, "/ecs/task/" + a) == web);
  }
  SECTION("behind a link of the system's") {
    tree.link(of_docker, "/srv/docker");
    CHECK(shown(tree, "/docker/" + a) == web);
  }
  const std::string bundle = "/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/" + a + "/config.json";
  const auto mounting = [&](const std::string& destination, const std::string& source) {
    tree.put(bundle, {{"mounts",
                       {{{"destination", "/proc"}, {"source", "proc"}},
                        {{"destination", destination}, {"type", "bind"}, {"source", source}}}}});
  };
  SECTION("in the network of another, whose files it mounts, or by its shared memory") {
    mounting("/etc/resolv.conf", "/srv/docker/containers/" + b + "/resolv.conf");
    CHECK(shown(tree, "/docker/" + a) == web);
    mounting("/dev/shm", "/srv/docker/containers/" + a + "/mounts/shm");
    CHECK(shown(tree, "/docker/" + a) == web);
  }
  SECTION("not by what its user has it mount") {
    mounting("/mnt", "/srv/docker/containers/" + a + "/hostname");
    CHECK(shown(tree, "/docker/" + a) == "id=" + a + " runtime=docker name= image= pod= ns= uid=");
  }
  const auto daemon = [&](const std::string& command, const std::string& uids, const std::string& cgroup) {
    std::string words = command;
    std::replace(words.begin(), words.end(), ' ', '\0');
    tree.put("/proc/self/comm", std::string("dockerd\n"));
    tree.put("/proc/77/comm", std::string("dockerd\n"));
    tree.put("/proc/77/status", "Name:\tdockerd\nUid:\t" + uids + "\nGid:\t0\t0\t0\t0\n");
    tree.put("/proc/77/cgroup", "4:memory:" + cgroup + "\n0::/\n");
    tree.put("/proc/77/cmdline", words + std::string(1, '\0'));
  };
  const std::string root = "0\t0\t0\t0";
  SECTION("by the command line of the daemon") {
    for (const char* command : {"dockerd --exec-root /x --data-root /srv/docker", "dockerd --data-root=/srv/docker -H fd://",
                                "dockerd -g /srv/docker", "dockerd --graph=/srv/docker"}) {
      daemon(command, root, "/system.slice/docker.service");
      CHECK(shown(tree, "/docker/" + a) == web);
    }
    tree.put("/opt/etc/d.json", Json{{"data-root", "/srv/docker"}});
    daemon("dockerd --config-file /opt/etc/d.json", root, "/system.slice/docker.service");
    CHECK(shown(tree, "/docker/" + a) == web);
  }
  SECTION("not by that of anyone who calls himself so, nor of one in a container") {
    const std::string nameless = "id=" + a + " runtime=docker name= image= pod= ns= uid=";
    daemon("dockerd --data-root /srv/docker", "1000\t1000\t1000\t1000", "/system.slice/docker.service");
    CHECK(shown(tree, "/docker/" + a) == nameless);
    daemon("dockerd --data-root /srv/docker", root, "/docker/" + b);
    CHECK(shown(tree, "/docker/" + a) == nameless);
    daemon("dockerd --data-root", root, "/");
    CHECK(shown(tree, "/docker/" + a) == nameless);
    daemon("dockerd --data-root srv/docker", root, "/");
    CHECK(shown(tree, "/docker/" + a) == nameless);
  }
}

TEST_CASE("Docker: labels of Kubernetes count in a pod's cgroup only") {
  Tree tree;
  tree.put(of_docker + "/containers/" + a + "/config.v2.json",
           of_dockerd("k8s_nginx_web-5d9c_shop_0", {{"io.kubernetes.container.name", "nginx"},
                                                    {"io.kubernetes.pod.name", "web-5d9c"},
                                                    {"io.kubernetes.pod.namespace", "shop"},
                                                    {"io.kubernetes.pod.uid", "claimed"}}));
  const std::string pod = "id=" + a + " runtime=docker name=nginx image=debian:12 pod=web-5d9c ns=shop uid=" + uid;
  CHECK(shown(tree, pods + "/docker-" + a + ".scope") == pod);
  CHECK(shown(tree, "/kubepods/besteffort/pod" + uid + "/" + a) == pod);
  CHECK(shown(tree, "/docker/" + a) ==
        "id=" + a + " runtime=docker name=k8s_nginx_web-5d9c_shop_0 image=debian:12 pod= ns= uid=");
}

TEST_CASE("CRI-O") {
  Tree tree;
  tree.put("/run/containers/storage/overlay-containers/" + a + "/userdata/config.json",
           annotated({{"io.container.manager", "cri-o"},
                      {"io.kubernetes.cri-o.ContainerID", a},
                      {"io.kubernetes.cri-o.ContainerType", "container"},
                      {"io.kubernetes.container.name", "nginx"},
                      {"io.kubernetes.cri-o.Image", b},
                      {"io.kubernetes.cri-o.ImageName", "docker.io/library/nginx:1.25"},
                      {"io.kubernetes.pod.name", "web-5d9c"},
                      {"io.kubernetes.pod.namespace", "shop"},
                      {"io.kubernetes.pod.uid", uid}}));
  const std::string nginx = "id=" + a + " runtime=cri-o" + kKubernetesShown;
  CHECK(shown(tree, pods + "/crio-" + a + ".scope") == nginx);
  CHECK(shown(tree, pods + "/crio-" + a + ".scope/container") == nginx);
  CHECK(shown(tree, "/kubepods/besteffort/pod" + uid + "/crio-" + a) == nginx);
  CHECK(shown(tree, pods + "/crio-conmon-" + a + ".scope") == "none");
}

TEST_CASE("Podman") {
  Tree tree;
  tree.put(of_podman, Json::array({in_storage(b, "first", "x:1"), in_storage(a, "web", "docker.io/library/debian:12"),
                                   in_storage(std::string(64, '0'), "last", "z:1")}));
  const std::string web = "id=" + a + " runtime=podman name=web image=docker.io/library/debian:12 pod= ns= uid=";
  CHECK(shown(tree, "/machine.slice/libpod-" + a + ".scope") == web);
  CHECK(shown(tree, "/machine.slice/libpod-" + a + ".scope/container") == web);
  CHECK(shown(tree, "/machine.slice/machine-libpod_pod_" + b + ".slice/libpod-" + a + ".scope") == web);
  CHECK(shown(tree, "/libpod_parent/libpod-" + a) == web);
  CHECK(shown(tree, "/machine.slice/libpod-conmon-" + a + ".scope") == "none");
  CHECK(shown(tree, "/machine.slice/libpod-" + std::string(64, '1') + ".scope") ==
        "id=" + std::string(64, '1') + " runtime=podman name= image= pod= ns= uid=");
}

TEST_CASE("Podman: --rm, and another storage driver") {
  Tree tree;
  tree.put(of_podman, Json::array());
  tree.put("/var/lib/containers/storage/vfs-containers/volatile-containers.json",
           Json::array({in_storage(a, "brief", "debian:12")}));
  CHECK(shown(tree, "/machine.slice/libpod-" + a + ".scope") ==
        "id=" + a + " runtime=podman name=brief image=debian:12 pod= ns= uid=");
}

TEST_CASE("rootless: a user's containers are named by the user's files, and by no other's") {
  Tree tree;
  tree.put(
      "/etc/passwd",
      std::string(
          "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000:Ann,,,:/home/ann:/bin/bash\nbob:x:1001:1001::/home/bob:/bin/sh\n"));
  const std::string storage = "/.local/share/containers/storage/overlay-containers/containers.json";
  tree.put("/home/ann" + storage, Json::array({in_storage(a, "anns", "debian:12")}));
  tree.put("/home/bob/.local/share/docker/containers/" + a + "/config.v2.json", of_dockerd("bobs"));
  tree.put(of_podman, Json::array({in_storage(b, "roots", "debian:12")}));
  tree.put(of_docker + "/containers/" + b + "/config.v2.json", of_dockerd("roots"));
  const auto in = [](const std::string& n, const std::string& scope) {
    return "/user.slice/user-" + n + ".slice/user@" + n + ".service/user.slice/" + scope + ".scope";
  };
  const auto named = [&](const std::string& id, const std::string& runtime, const std::string& name) {
    return "id=" + id + " runtime=" + runtime + " name=" + name + " image=" + (name.empty() ? "" : "debian:12") +
           " pod= ns= uid=";
  };
  CHECK(shown(tree, in("1000", "libpod-" + a) + "/container") == named(a, "podman", "anns"));
  CHECK(shown(tree, in("1001", "docker-" + a)) == named(a, "docker", "bobs"));
  CHECK(shown(tree, in("0", "libpod-" + b)) == named(b, "podman", "roots"));
  // A cgroup with the id of someone else's container.
  CHECK(shown(tree, in("1001", "libpod-" + a)) == named(a, "podman", ""));
  CHECK(shown(tree, in("1000", "libpod-" + b)) == named(b, "podman", ""));
  CHECK(shown(tree, in("1000", "docker-" + b)) == named(b, "docker", ""));
  CHECK(shown(tree, in("1002", "docker-" + b)) == named(b, "docker", ""));
  CHECK(shown(tree, "/machine.slice/libpod-" + a + ".scope") == named(a, "podman", ""));
}

TEST_CASE("rootless: the runtime directory") {
  Tree tree;
  tree.put("/etc/passwd", std::string("ann:x:1000:1000::/home/ann:/bin/bash\n"));
  tree.put("/run/user/1000/containers/overlay-containers/containers.json", Json::array({in_storage(a, "anns", "debian:12")}));
  CHECK(shown(tree, "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + a + ".scope") ==
        "id=" + a + " runtime=podman name=anns image=debian:12 pod= ns= uid=");
}

TEST_CASE("LXC, LXD and Incus") {
  Tree tree;
  tree.put("/var/lib/lxc/my_web/config", std::string("lxc.uts.name = my_web\n"));
  tree.put("/var/snap/lxd/common/lxd/logs/shop_db/lxc.conf", std::string("lxc.log.level = 4\n"));
  tree.put("/var/log/incus/db/lxc.conf", std::string("lxc.log.level = 4\n"));
  const auto named = [](const std::string& id, const std::string& name) {
    return "id=" + id + " runtime=lxc name=" + name + " image= pod= ns= uid=";
  };
  CHECK(shown(tree, "/lxc/my_web") == named("my_web", "my_web"));
  CHECK(shown(tree, "/lxc.payload.my_web/system.slice/ssh.service") == named("my_web", "my_web"));
  CHECK(shown(tree, "/lxc.payload.shop_db") == named("shop_db", "db"));  // of the project shop
  CHECK(shown(tree, "/lxc.payload.db") == named("db", "db"));
  CHECK(shown(tree, "/lxc.payload.gone") == named("gone", ""));
  CHECK(shown(tree, "/lxc.monitor.my_web") == "none");
}

TEST_CASE("runc: the cgroup must be the one in its state") {
  Tree tree;
  const auto state = [&](const std::string& name, const Json& cgroups) {
    tree.put("/run/runc/" + name + "/state.json", {{"id", name}, {"cgroup_paths", cgroups}});
  };
  state("box", {{"", "/sys/fs/cgroup/box"}});
  state("hybrid", {{"cpu", "/sys/fs/cgroup/cpu/hybrid"},
                   {"memory", "/sys/fs/cgroup/memory/sub/hybrid"},
                   {"", "/sys/fs/cgroup/unified/hybrid"}});
  state("scoped", {{"", "/sys/fs/cgroup/system.slice/runc-scoped.scope"}});
  const auto named = [](const std::string& name) {
    return "id=" + name + " runtime=runc name=" + name + " image= pod= ns= uid=";
  };
  CHECK(shown(tree, "/box") == named("box"));
  CHECK(shown(tree, "/box/below/it") == named("box"));
  CHECK(shown(tree, "/elsewhere/box") == "none");
  CHECK(shown(tree, "/hybrid") == named("hybrid"));
  CHECK(shown(tree, "/sub/hybrid") == named("hybrid"));
  CHECK(shown(tree, "/a/sub/hybrid") == "none");
  CHECK(shown(tree, "/system.slice/runc-scoped.scope") == named("scoped"));
  CHECK(shown(tree, "/runc/../box") == "none");
  CHECK(shown(tree, "/") == "none");
  CHECK(shown(tree, "") == "none");
}

TEST_CASE("inside a container, no cgroup gets the name of a container of the host") {
  Tree tree;
  tree.put(of_docker + "/containers/" + b + "/config.v2.json", of_dockerd("victim"));
  tree.put(tasks + "k8s.io/" + b + "/config.json", kKubernetes);
  tree.put("/var/lib/lxc/victim/config", std::string());
  tree.put("/run/runc/box/state.json", {{"id", "box"}, {"cgroup_paths", {{"", "/sys/fs/cgroup/box"}}}});
  const std::string nameless = " name= image= pod= ns= uid=", box = "id=box runtime=runc name=box image= pod= ns= uid=";
  CHECK(shown(tree, "/docker/" + a + "/docker/" + b) == "id=" + a + " runtime=docker" + nameless);
  CHECK(shown(tree, "/system.slice/docker-" + a + ".scope/k8s.io/" + b) == "id=" + a + " runtime=docker" + nameless);
  CHECK(shown(tree, "/lxc.payload.x/lxc.payload.victim") == "id=x runtime=lxc" + nameless);
  CHECK(shown(tree, "/box/docker/" + b) == box);
  CHECK(shown(tree, "/box/lxc.payload.victim/deep/er") == box);
  CHECK(shown(tree, "/docker/" + b + "/box").starts_with("id=" + b + " runtime=docker name=victim"));
  // One that is known is in one that is not: it is that which runs it.
  tree.put("/run/runc/inner/state.json", {{"id", "inner"}, {"cgroup_paths", {{"", "/sys/fs/cgroup/docker/" + a + "/inner"}}}});
  CHECK(shown(tree, "/docker/" + a + "/inner/x") == "id=inner runtime=runc name=inner image= pod= ns= uid=");
}

TEST_CASE("a cgroup of a user's has no name of the system's containers, wherever the user may make it") {
  Tree tree;
  tree.put("/etc/passwd", std::string("ann:x:1000:1000::/home/ann:/bin/bash\n"));
  tree.put(of_docker + "/containers/" + b + "/config.v2.json", of_dockerd("victim"));
  tree.put("/run/runc/box/state.json", {{"id", "box"}, {"cgroup_paths", {{"", "/sys/fs/cgroup/x.service/box"}}}});
  tree.put("/home/ann/.local/share/docker/containers/" + a + "/config.v2.json", of_dockerd("anns"));
  const auto of = [&](const std::string& path, Delegated d) {
    Containers containers(tree.path());
    const Container* c = containers.of(path, d);
    return (c ? c->id + " " + c->name : std::string("none")) + (c && c->claimed ? " claimed" : "") +
           (c && c->described ? " described" : "");
  };
  const std::string victim = "/x.service/docker-" + b + ".scope", own = "/x.service/docker-" + a + ".scope";
  CHECK(of(victim, {}) == b + " victim described");
  CHECK(of(victim, {1000, 1}) == b + "  claimed");
  CHECK(of(victim + "/below", {1000, 1}) == b + "  claimed");
  CHECK(of(victim, {1000, 2}) == b + " victim described");  // made by another, and then given to the user
  CHECK(of(victim + "/below", {1000, 2}) == b + " victim described");
  CHECK(of(own, {1000, 1}) == a + " anns described");
  CHECK(of(own, {1001, 1}) == a + "  claimed");
  CHECK(of("/x.service/box", {}) == "box box described");
  CHECK(of("/x.service/box", {1000, 1}) == "none");
  CHECK(of("/x.service/box/y", {1000, 2}) == "box box described");
}

TEST_CASE("what one user's files cost is bounded, and costs nobody else a name") {
  Tree tree;
  tree.put("/etc/passwd", std::string("eve:x:4242:4242::/home/eve:/bin/bash\nann:x:1000:1000::/home/ann:/bin/bash\n"));
  const auto scope = [](const std::string& user, const std::string& id) {
    return "/user.slice/user-" + user + ".slice/user@" + user + ".service/libpod-" + id + ".scope";
  };
  Json large = Json::array();
  while (large.size() < 2400)
    large.push_back(in_storage(std::string(59, 'f') + std::to_string(10000 + large.size()), "x", "debian:12"));
  for (const char* file : {"containers.json", "volatile-containers.json"})
    tree.put(std::string("/run/user/4242/containers/overlay-containers/") + file, large);
  CHECK(fs::file_size(tree.at("/run/user/4242/containers/overlay-containers/containers.json")) > 900'000);
  CHECK(fs::file_size(tree.at("/run/user/4242/containers/overlay-containers/containers.json")) < 1 << 20);
  tree.put("/home/ann/.local/share/containers/storage/overlay-containers/containers.json",
           Json::array({in_storage(a, "anns", "debian:12")}));
  tree.put(of_docker + "/containers/" + b + "/config.v2.json", of_dockerd("web"));
  const std::string file = tree.at("/run/user/4242/containers/overlay-containers/containers.json");
  Containers containers(tree.path());
  const auto cpu = [] { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; };
  SECTION("files that do not change are read once") {
    const double begin = cpu();
    for (int i = 0; i < 60; i++)
      CHECK(containers.of(scope("4242", std::to_string(1000 + i) + std::string(60, 'e')))->name.empty());
    CHECK(cpu() - begin < 0.5);
    const auto named = containers.of(scope("4242", std::string(59, 'f') + "10007"));
    REQUIRE(named);
    CHECK((named->name.empty() || named->name == "x"));  // if there was time left
  }
  SECTION("files that change all the time take the user's share") {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(2);
    const double begin = cpu();
    double touching = 0;
    std::size_t asked = 0;
    while (std::chrono::steady_clock::now() < end) {
      const double before = cpu();
      fs::last_write_time(file, fs::file_time_type::clock::now());
      touching += cpu() - before;
      CHECK(containers.of(scope("4242", std::to_string(100000 + asked++ % 900000) + std::string(58, 'e')))->name.empty());
      usleep(700);
    }
    INFO(asked << " cgroups, of " << cpu() - begin << " s " << touching << " s to touch the file");
    CHECK(asked > 1000);
#ifdef __SANITIZE_ADDRESS__
    constexpr double kMost = 1.0;  // all else is slower, too
#else
    constexpr double kMost = 0.6;  // 0.1 and 0.02 a second by right, the last look may take more
#endif
    CHECK(cpu() - begin - touching < kMost);
  }
  CHECK(containers.of(scope("1000", a))->name == "anns");
  CHECK(containers.of("/docker/" + b)->name == "web");
}

TEST_CASE("a name that has changed is shown soon") {
  Tree tree;
  tree.put("/etc/passwd", std::string("ann:x:1000:1000::/home/ann:/bin/bash\n"));
  const std::string config = of_docker + "/containers/" + a + "/config.v2.json",
                    annals = "/home/ann/.local/share/containers/storage/overlay-containers/containers.json";
  tree.put(config, of_dockerd("old"));
  tree.put(annals, Json::array({in_storage(b, "annold", "debian:12")}));
  tree.put("/run/runc/box/state.json", {{"cgroup_paths", {{"", "/sys/fs/cgroup/box"}}}});
  Containers containers(tree.path());
  const std::string docker = "/docker/" + a, podman = "/user.slice/user-1000.slice/user@1000.service/libpod-" + b + ".scope";
  CHECK(containers.of(docker)->name == "old");
  CHECK(containers.of(podman)->name == "annold");
  CHECK(containers.of("/box")->name == "box");
  const auto soon = [&](const std::string& cgroup, const std::string& name) {
    const auto begin = std::chrono::steady_clock::now();
    while (containers.of(cgroup)->name != name && std::chrono::steady_clock::now() - begin < std::chrono::seconds(20))
      usleep(1000);
    CHECK(containers.of(cgroup)->name == name);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
  };
  const std::uint64_t version = containers.version();
  fs::rename(tree.at(config), tree.at(config) + ".old");
  CHECK(containers.of(docker)->name == "old");  // what is gone does not make it nameless
  tree.put(config, of_dockerd("new"));
  soon(docker, "new");
  tree.put(config, of_dockerd("newer"));  // the same file, written anew
  soon(docker, "newer");
  Json both = in_storage(b, "annew", "debian:12");
  tree.put(annals, Json::array({in_storage(std::string(64, '0'), "another", "x"), both}));
  soon(podman, "annew");  // names[0]; in the metadata is what podman leaves there
  CHECK(containers.version() > version);
  tree.put(config, of_dockerd("newest").dump().substr(0, 100));  // being written
  usleep(600'000);
  CHECK(containers.of(docker)->name == "newer");
  tree.put(config, of_dockerd("newest"));
  soon(docker, "newest");
}

TEST_CASE("a container is read when its state comes, and forgotten if it is not asked for") {
  Tree tree;
  Containers containers(tree.path());
  const std::string nameless = "id=" + a + " runtime=docker name= image= pod= ns= uid=";
  CHECK(shown(containers.of("/docker/" + a)) == nameless);
  CHECK(shown(containers.of("/box")) == "none");
  tree.put(of_docker + "/containers/" + a + "/config.v2.json", of_dockerd("web").dump().substr(0, 100));  // being written
  tree.put("/run/runc/box/state.json", {{"cgroup_paths", {{"", "/sys/fs/cgroup/box"}}}});
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(100);
  while (!containers.of("/box") && std::chrono::steady_clock::now() < end) usleep(1000);
  CHECK(shown(containers.of("/box/sub")) == "id=box runtime=runc name=box image= pod= ns= uid=");
  CHECK(shown(containers.of("/docker/" + a)) == nameless);
  tree.put(of_docker + "/containers/" + a + "/config.v2.json", of_dockerd("web"));
  while (containers.of("/docker/" + a)->name.empty() && std::chrono::steady_clock::now() < end) usleep(1000);
  CHECK(containers.of("/docker/" + a)->name == "web");
  fs::remove(tree.at(of_docker + "/containers/" + a + "/config.v2.json"));
  auto others = [&, n = 0](int count) mutable {
    while (count--) containers.of("/lxc/" + std::to_string(n++));
  };
  for (int i = 0; i < 3; i++) {
    others(4000);
    CHECK(containers.of("/docker/" + a)->name == "web");  // used recently
  }
  others(4100);
  CHECK(containers.of("/docker/" + a)->name.empty());  // it was forgotten
}

TEST_CASE("hostile state is refused without harm or delay") {
  Tree tree;
  const std::string file = tasks + "k8s.io/" + a + "/config.json", dir = tree.at(tasks + "k8s.io/" + a);
  const std::string cgroup = pods + "/cri-containerd-" + a + ".scope";
  const std::string refused = "id=" + a + " runtime=containerd name= image= pod= ns= uid=" + uid;
  tree.put(file, kKubernetes);
  REQUIRE(shown(tree, cgroup) == "id=" + a + " runtime=containerd" + kKubernetesShown);
  tree.put("/secret/config.json", kKubernetes);
  const std::clock_t before = std::clock();
  const auto begin = std::chrono::steady_clock::now();

  SECTION("huge") {
    fs::resize_file(tree.at(file), 100L << 30);  // sparse
    CHECK(shown(tree, cgroup) == refused);
    tree.put(file, kKubernetes.dump() + std::string(1 << 20, ' '));
    CHECK(shown(tree, cgroup) == refused);
  }
  SECTION("deep") {
    for (const std::string opening : {"[", "{\"annotations\":", "{\"\":["}) {
      std::string deep;
      while (deep.size() < 1'000'000) deep += opening;
      tree.put(file, deep);
      CHECK(shown(tree, cgroup) == refused);
    }
  }
  SECTION("wide") {
    std::string wide = "{\"annotations\":{\"io.kubernetes.cri.container-name\":\"x\"},\"mounts\":[";
    while (wide.size() < 1'000'000) wide += "1,";
    tree.put(file, wide + "1]}");
    CHECK(Containers(tree.path()).of(cgroup)->name == "x");
  }
  SECTION("not JSON, not UTF-8, of other types") {
    for (const std::string text :
         {"", " ", "\"config.json\"", "{}{}", "null", "{\"annotations\":{\"io.kubernetes.cri.container-name\":\"\xff\xfe\"}}",
          "{\"annotations\":{\"io.kubernetes.cri.container-name\":\"x\"}", "{\"annotations\":1e99999}"}) {
      tree.put(file, text);
      CHECK(shown(tree, cgroup) == refused);
    }
    for (const std::string text :
         {"[]", "0", "{\"annotations\":[\"io.kubernetes.cri.container-name\"]}", "{\"annotations\":\"x\"}",
          "{\"annotations\":{\"io.kubernetes.cri.container-name\":7}}", "[\"io.kubernetes.cri.container-name\"]",
          "{\"annotations\":{\"io.kubernetes.cri.container-name\":{\"x\":\"y\"}}}"}) {
      tree.put(file, text);
      CHECK(shown(tree, cgroup) == refused);
    }
  }
  SECTION("names that no runtime gives") {
    Json config = kKubernetes;
    config["annotations"]["io.kubernetes.cri.container-name"] = std::string(100'000, 'x');
    config["annotations"]["io.kubernetes.cri.image-name"] = std::string("\x1b[2J\n\0|", 7);  // whoever prints it escapes it
    tree.put(file, config);
    Containers containers(tree.path());
    CHECK(containers.of(cgroup)->name.empty());
    CHECK(containers.of(cgroup)->image == std::string("\x1b[2J\n\0|", 7));
    CHECK(containers.of(cgroup)->pod == "web-5d9c");
  }
  SECTION("links to elsewhere") {
    fs::remove(tree.at(file));
    tree.link(file, tree.at("/secret/config.json"));
    CHECK(shown(tree, cgroup) == refused);
    fs::remove(tree.at(file));
    tree.link(file, "../../../../../secret/config.json");
    CHECK(shown(tree, cgroup) == refused);
    fs::remove_all(dir);
    tree.link(tasks + "k8s.io/" + a, "/secret");
    CHECK(shown(tree, cgroup) == refused);
    fs::remove(dir);
    tree.put(tasks + "k8s.io/" + b + "/config.json", kKubernetes);
    tree.link(tasks + "k8s.io/" + a, b);
    CHECK(shown(tree, cgroup) == refused);
    fs::remove_all(tree.at(tasks + "k8s.io"));
    tree.put("/secret/" + a + "/config.json", kKubernetes);
    tree.link(tasks + "k8s.io", "/secret");
    CHECK(shown(tree, cgroup) == refused);
  }
  SECTION("a FIFO, a directory, a device, a socket") {
    for (const mode_t type : {S_IFIFO, S_IFCHR, S_IFSOCK}) {
      if (type == S_IFCHR && geteuid() != 0) continue;
      fs::remove(tree.at(file));
      check(mknod(tree.at(file).c_str(), type | 0600, makedev(1, 5)), "mknod");  // /dev/zero
      CHECK(shown(tree, cgroup) == refused);
    }
    fs::remove(tree.at(file));
    fs::create_directory(tree.at(file));
    CHECK(shown(tree, cgroup) == refused);
  }
  SECTION("unreadable ids") {
    CHECK(shown(tree, "/k8s.io/..") == "none");
    CHECK(shown(tree, "/lxc/..") == "none");
    CHECK(shown(tree, "/k8s.io/" + std::string(255, 'x')) ==
          "id=" + std::string(255, 'x') + " runtime=containerd name= image= pod= ns= uid=");
  }
  CHECK(static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC < 10);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(100));
}

TEST_CASE("a user's directory behind a link is not entered, nor behind a mount") {
  Tree tree;
  const std::string cgroup = "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + a + ".scope";
  const std::string refused = "id=" + a + " runtime=podman name= image= pod= ns= uid=";
  tree.put("/etc/passwd", std::string("eve:x:1000:1000::/home/eve:/bin/bash\n"));
  tree.put("/home/ann/.local/share/containers/storage/overlay-containers/containers.json",
           Json::array({in_storage(a, "anns", "debian:12")}));
  SECTION("link") {
    tree.link("/home/eve/.local", "../ann/.local");
    CHECK(shown(tree, cgroup) == refused);
    tree.put("/home/eve/x/share/containers/storage/overlay-containers/containers.json",
             Json::array({in_storage(a, "eves", "debian:12")}));
    fs::remove(tree.at("/home/eve/.local"));
    tree.link("/home/eve/.local", "x");
    CHECK(shown(tree, cgroup) == refused);
  }
  SECTION("mount") {
    if (geteuid() != 0) CANNOT_TEST("to mount takes root");
    Actor actor([&](Json& truth) {
      check(unshare(CLONE_NEWNS), "unshare");
      check(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount / private");
      fs::create_directories(tree.at("/home/eve/.local"));
      check(mount(tree.at("/home/ann/.local").c_str(), tree.at("/home/eve/.local").c_str(), nullptr, MS_BIND, nullptr),
            "bind mount");
      truth["cgroup"] = shown(tree, cgroup);
      truth["seen"] = fs::exists(tree.at("/home/eve/.local/share/containers"));
    });
    const Json truth = actor.act();
    CHECK(truth["seen"] == true);
    CHECK(truth["cgroup"] == refused);
  }
}

TEST_CASE("JSON with random damage is read without harm") {
  std::mt19937 rng(11);
  const std::string whole = kKubernetes.dump();
  std::size_t read = 0, strings = 0;
  for (int i = 0; i < 20000; i++) {
    std::string text = whole;
    for (auto n = rng() % 4; n > 0; n--) text[rng() % text.size()] = static_cast<char>(rng());
    if (rng() % 4 == 0) text.resize(rng() % text.size());
    const bool end = for_each_json_string(text, [&](const JsonPath& path, const std::string& value) {
      REQUIRE(!path.empty());
      REQUIRE(value.size() <= text.size());
      strings++;
    });
    REQUIRE(end == Json::accept(text));
    read += end;
  }
  CHECK(read > 1000);
  CHECK(strings > 10000);
}

TEST_CASE("JSON strings come with the way to them") {
  std::string all;
  REQUIRE(for_each_json_string(R"({"a":"1","b":[{"c":"2"},[],3,null,["4"],"5"],"d":{"e":{"":"6"}},"f":true,"g":"7"})",
                               [&](const JsonPath& path, const std::string& value) {
                                 for (const std::string& key : path) all += key + "/";
                                 all += "=" + value + " ";
                               }));
  CHECK(all == "a/=1 b/0/c/=2 b/4/0/=4 b/5/=5 d/e//=6 g/=7 ");
}
