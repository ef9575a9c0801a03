// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Real containers: their real cgroups, and what their runtimes really write to disk.
#include "container.h"
#include "containers.h"

using namespace harness;

namespace {

// What is known of a started container by its cgroup's path alone.
std::string shown(Runtime& runtime, const std::string& name) {
  needle::Containers containers;
  const needle::Container* c = containers.of(cgroup_path(runtime.pid(name)));
  REQUIRE(c);
  return "id=" + c->id + " runtime=" + c->runtime;
}

// A container that lives works as the harness says.
void works(Runtime& runtime, const std::string& name) {
  runtime.start(name);
  const Result in = runtime.exec(name, {"/bin/cat", "/proc/self/status"});
  REQUIRE(in.status == 0);
  REQUIRE(in.out.find("NSpid") != std::string::npos);
  REQUIRE(runtime.run(name + "-short", {"/bin/sh", "-c", "exit 7"}).status == 7);
}

}  // namespace

TEST_CASE("runc") {
  Runc runc;
  works(runc, "needle-runc");
}

TEST_CASE("containerd, as Kubernetes uses it") {
  Containerd containerd("k8s.io", {{"io.kubernetes.cri.container-type", "container"},
                                   {"io.kubernetes.cri.sandbox-name", "web-5d9c"},
                                   {"io.kubernetes.cri.sandbox-namespace", "shop"},
                                   {"io.kubernetes.cri.sandbox-uid", "eb052b63-ea96-4728-ab4a-64ab3babccd7"},
                                   {"io.kubernetes.cri.container-name", "nginx"},
                                   {"io.kubernetes.cri.image-name", "docker.io/library/nginx:1.25"}});
  const std::string id(64, 'e');
  works(containerd, id);
  CHECK(shown(containerd, id) == "id=" + id + " runtime=containerd");
}

TEST_CASE("containerd, by ctr") {
  Containerd containerd;
  works(containerd, "needle-ctr");
}

TEST_CASE("Docker") {
  Docker docker;
  works(docker, "needle-docker");
  const std::string id = docker.id("needle-docker");
  REQUIRE(id.size() == 64);
  CHECK(shown(docker, "needle-docker") == "id=" + id + " runtime=docker");
}
