// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Real containers: their real cgroups, and what their runtimes really write to disk.
#include "container.h"
#include "containers.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace harness;

namespace {

// What is known of a started container by its cgroup's path alone, without capabilities, as in a
// tracer.
std::string shown(Runtime& runtime, const std::string& name) {
  const std::string path = cgroup_path(runtime.pid(name));
  Actor actor([path](Json& truth) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    const __user_cap_data_struct none[2]{};
    check(syscall(SYS_capset, &header, none), "capset");
    needle::Containers containers;
    const needle::Container* c = containers.of(path);
    truth = c ? "id=" + c->id + " runtime=" + c->runtime + " name=" + c->name + " image=" + c->image + " pod=" + c->pod + " ns=" + c->ns + " uid=" + c->pod_uid
              : "none";
  });
  return actor.act();
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
  CHECK(shown(runc, "needle-runc") == "id=needle-runc runtime=runc name=needle-runc image= pod= ns= uid=");
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
  CHECK(shown(containerd, id) == "id=" + id + " runtime=containerd name=nginx image=docker.io/library/nginx:1.25 pod=web-5d9c ns=shop"
                                 " uid=eb052b63-ea96-4728-ab4a-64ab3babccd7");
}

TEST_CASE("containerd, by ctr") {
  Containerd containerd;
  works(containerd, "needle-ctr");
  CHECK(shown(containerd, "needle-ctr") == "id=needle-ctr runtime=containerd name=needle-ctr image= pod= ns= uid=");
}

TEST_CASE("Docker") {
  Docker docker;
  works(docker, "needle-docker");
  const std::string id = docker.id("needle-docker");
  REQUIRE(id.size() == 64);
  CHECK(shown(docker, "needle-docker") == "id=" + id + " runtime=docker name=needle-docker image=" + Docker::kImage + " pod= ns= uid=");
}
