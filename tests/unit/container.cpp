// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "who/container.h"
#include "harness.h"

#include <random>

using namespace needle;

namespace {

const std::string a = "3726184226f5d3147c25fdeab5b60097e378e8a720503a5e19ecfdf29f869860";
const std::string b = "9d5b23edb1ba181e8910389a99906598d69ac9a0ead109ee55730cc416d95f7f";
const std::string build = "k8n4m2x0qv7yz1c3b5d6f8g9h";
const std::string uid = "eb052b63-ea96-4728-ab4a-64ab3babccd7", uid_ = "eb052b63_ea96_4728_ab4a_64ab3babccd7";
const std::string static_uid = "09a70ae9ccc491e6bbd0c5ab1af2e8f1";
const std::string pods = "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + uid_ + ".slice";
const std::string user = "/user.slice/user-1000.slice/user@1000.service";

struct Vector {
  std::string path, id, runtime, pod_uid, own;  // own: the container's own cgroup, if it is not the path
};

// So that a vector that fails says what was found.
std::string shown(const CgroupName& n) {
  return "id=" + std::string(n.id) + " runtime=" + std::string(n.runtime) + " pod=" + std::string(n.pod_uid) +
         " path=" + std::string(n.path);
}

void check(const std::vector<Vector>& vectors) {
  for (const Vector& v : vectors) {
    INFO(v.path);
    const std::string own = v.id.empty() ? "" : v.own.empty() ? v.path : v.own;
    CHECK(shown(parse_cgroup(v.path)) == shown({v.id, v.runtime, v.pod_uid, own}));
  }
}

}  // namespace

TEST_CASE("cgroup paths of systemd's driver") {
  check({
      {"/system.slice/docker-" + a + ".scope", a, "docker", "", ""},
      {pods + "/cri-containerd-" + a + ".scope", a, "containerd", uid_, ""},
      {pods + "/docker-" + a + ".scope", a, "docker", uid_, ""},
      {pods + "/crio-" + a + ".scope", a, "cri-o", uid_, ""},
      {pods + "/crio-" + a + ".scope/container", a, "cri-o", uid_, pods + "/crio-" + a + ".scope"},
      {"/kubepods.slice/kubepods-pod" + static_uid + ".slice/crio-" + a + ".scope", a, "cri-o", static_uid, ""},
      {"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + uid_ + ".slice/cri-containerd-" + a + ".scope", a,
       "containerd", uid_, ""},
      {"/machine.slice/libpod-" + a + ".scope", a, "podman", "", ""},
      {"/machine.slice/machine-libpod_pod_" + b + ".slice/libpod-" + a + ".scope", a, "podman", "", ""},
      {user + "/user.slice/libpod-" + a + ".scope/container", a, "podman", "", user + "/user.slice/libpod-" + a + ".scope"},
      {user + "/app.slice/docker-" + a + ".scope", a, "docker", "", ""},
      {"/system.slice/nerdctl-" + a + ".scope", a, "containerd", "", ""},
      {"/system.slice/buildkit-" + build + ".scope", build, "buildkit", "", ""},
      {"/system.slice/runc-my-box.scope", "my-box", "runc", "", ""},
      {"/podruntime.slice/containerd.service/kubepods-burstable-pod" + uid_ + ".slice:cri-containerd:" + a, a, "containerd", uid_,
       ""},
      {"/system.slice:docker:" + a, a, "docker", "", ""},
  });
}

TEST_CASE("cgroup paths of the cgroupfs driver") {
  check({
      {"/docker/" + a, a, "docker", "", ""},
      {"/actions_job/" + a, a, "docker", "", ""},
      {"/docker/buildkit/" + build, build, "buildkit", "", ""},
      {"/kubepods/besteffort/pod" + uid + "/" + a, a, "", uid, ""},  // containerd or Docker
      {"/kubepods/pod" + static_uid + "/" + a, a, "", static_uid, ""},
      {"/kubepods/burstable/pod" + uid + "/crio-" + a, a, "cri-o", uid, ""},
      {"/k8s.io/" + a, a, "containerd", "", ""},
      {"/k8s.io/box", "box", "containerd", "", ""},
      {"/libpod_parent/libpod-" + a, a, "podman", "", ""},
      {"/ecs/task/" + a, a, "", "", ""},
      {"/" + a, a, "", "", ""},
      {"/lxc/web", "web", "lxc", "", ""},
      {"/lxc.payload/web", "web", "lxc", "", ""},
      {"/lxc.payload.web/system.slice/ssh.service", "web", "lxc", "", "/lxc.payload.web"},
      {"/lxc/101/ns/init.scope", "101", "lxc", "", "/lxc/101"},
      {"/garden/a1b2c3d4-0001-0002-0003-0004", "a1b2c3d4-0001-0002-0003-0004", "garden", "", ""},
      {"/system.slice/garden.service/garden/good/a1b2c3d4-0001-0002-0003-0004", "a1b2c3d4-0001-0002-0003-0004", "garden", "", ""},
  });
}

TEST_CASE("cgroup paths of no container") {
  for (const std::string& path : {std::string(),
                                  std::string("/"),
                                  std::string("//"),
                                  std::string("/init.scope"),
                                  user + "/session-3.scope",
                                  std::string("/system.slice/docker.service"),
                                  std::string("/system.slice/containerd.service"),
                                  std::string("/docker"),
                                  std::string("/k8s.io"),
                                  std::string("/k8s.io/"),
                                  std::string("/lxc.monitor.web"),
                                  std::string("/lxc.monitor/web"),
                                  std::string("/lxc.payload."),
                                  pods,
                                  pods + "/crio-conmon-" + a + ".scope",
                                  "/machine.slice/libpod-conmon-" + a + ".scope",
                                  std::string("/libpod_parent/conmon"),
                                  "/system.slice/docker-" + a + ".service",
                                  "/system.slice/docker-" + a.substr(1) + ".scope",
                                  "/docker/" + a + "0",
                                  "/docker/" + std::string(64, 'g'),
                                  "/memory/" + a.substr(32),
                                  std::string("/system.slice/runc-.scope"),
                                  std::string("/runc-box"),
                                  std::string("/system.slice:docker:"),
                                  std::string(":"),
                                  std::string("::"),
                                  std::string("/a:runc"),
                                  std::string("/machine.slice/machine-qemu\\x2d1.scope")}) {
    INFO(path);
    CHECK(shown(parse_cgroup(path)) == shown({}));
  }
}

TEST_CASE("nested containers: the outermost is the one that the host made") {
  const std::string outer = "/system.slice/docker-" + a + ".scope";
  const std::string pod = pods + "/cri-containerd-" + a + ".scope";
  check({
      {outer + "/kubelet/kubepods/burstable/pod" + uid + "/" + b, a, "docker", "", outer},  // kind
      {outer + "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + uid_ + ".slice/cri-containerd-" + b + ".scope", a,
       "docker", "", outer},
      {"/docker/" + a + "/docker/" + b, a, "docker", "", "/docker/" + a},
      {pod + "/docker/" + b, a, "containerd", uid_, pod},
      {"/lxc.payload.host/lxc.payload.guest", "host", "lxc", "", "/lxc.payload.host"},
      {outer + "/lxc/x", a, "docker", "", outer},
      // What has no id of its own belongs to the container around it.
      {outer + "/init.scope", a, "docker", "", outer},
      {outer + "/system.slice/containerd.service", a, "docker", "", outer},
      {outer + "/system.slice/crio-conmon-" + b + ".scope", a, "docker", "", outer},
      {"/lxc.payload.host/lxc.monitor.guest", "host", "lxc", "", "/lxc.payload.host"},
  });
  const std::string path = "/docker/" + a + "/x/lxc/y/docker-" + b + ".scope/z";
  std::string all;
  for (const CgroupName& name : container_names(path))
    all += std::string(name.id) + (name.firm ? " firm " : " ") + std::string(name.path) + "\n";
  CHECK(all == a + " firm /docker/" + a + "\ny /docker/" + a + "/x/lxc/y\n" + b + " firm /docker/" + a + "/x/lxc/y/docker-" + b +
                   ".scope\n");
}

TEST_CASE("a cgroup that is gone is named nonetheless") {
  check({{"/docker/" + a + " (deleted)", a, "docker", "", "/docker/" + a},
         {"/docker/" + a + "/x (deleted)", a, "docker", "", "/docker/" + a}});
}

TEST_CASE("hostile cgroup names do not confuse") {
  const std::string odd("\xff\x1b[2J\n \0:.scope-", 15);
  check({
      {"/docker/" + a + "/" + std::string(255, '-'), a, "docker", "", "/docker/" + a},
      {"/docker/" + a + "/" + std::string(255, ':'), a, "docker", "", "/docker/" + a},
      {"/docker/" + a + "/" + odd, a, "docker", "", "/docker/" + a},
      {"/lxc/" + odd, odd, "lxc", "", ""},
      {"/" + odd, "", "", "", ""},
      {"/pod" + std::string(252, 'a') + "/" + a, a, "", "", ""},
      {"/x-docker-" + a + ".scope", "", "", "", ""},
      {"/docker-" + a + ".scope.scope", "", "", "", ""},
  });
  std::mt19937 rng(7);
  const std::vector<std::string> parts = {"/",
                                          "/",
                                          "docker",
                                          "-",
                                          ":",
                                          ".scope",
                                          a,
                                          b,
                                          "pod",
                                          uid,
                                          ".slice",
                                          "lxc",
                                          ".payload.",
                                          "crio",
                                          "conmon",
                                          "garden",
                                          "buildkit",
                                          build,
                                          "k8s.io",
                                          " (deleted)",
                                          "runc",
                                          odd,
                                          std::string(255, 'x')};
  for (int i = 0; i < 20000; i++) {
    std::string path;
    for (auto n = rng() % 12; n > 0; n--) path += parts[rng() % parts.size()];
    const CgroupName name = parse_cgroup(path);
    INFO(path);
    if (name.id.empty()) {
      REQUIRE(shown(name) == shown({}));
      continue;
    }
    REQUIRE(path.starts_with(name.path));  // a prefix of whole components, the last with the id
    REQUIRE((name.path.size() == path.size() || path[name.path.size()] == '/' || path.ends_with(" (deleted)")));
    REQUIRE(name.path.substr(name.path.rfind('/') + 1).find(name.id) != name.path.npos);
    REQUIRE(name.id.find('/') == name.id.npos);
    REQUIRE(path.find(name.pod_uid) != path.npos);
  }
}
