// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Real containers: their real cgroups, and what their runtimes really write to disk.
#include "who/container.h"
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
    truth = c ? "id=" + c->id + " runtime=" + c->runtime + " name=" + c->name + " image=" + c->image + " pod=" + c->pod +
                    " ns=" + c->ns + " uid=" + c->pod_uid
              : "none";
  });
  return actor.act();
}

// What the event says of the container.
Json told(const Json& event) {
  Json said;
  for (const char* key : {"container", "runtime", "container_name", "image", "pod", "namespace", "pod_uid"})
    said[key] = event[key];
  return said;
}
Json told(const Json& container, const Json& runtime, const Json& name, const Json& image = {}, const Json& pod = {},
          const Json& ns = {}, const Json& uid = {}) {
  return {{"container", container}, {"runtime", runtime}, {"container_name", name}, {"image", image}, {"pod", pod},
          {"namespace", ns},        {"pod_uid", uid}};
}

// Deeds in a container that is there for long, and in some that live for 20 ms, as a tracer outside
// sees them: `lasting` and named(NAME) is what it is to say. Of those, all but one may end before
// the scheduler lets the tracer read their names: then it is nameless(NAME).
void check_lines(Runtime& runtime, const std::string& name, const Json& lasting,
                 const std::function<Json(const std::string&)>& named, const std::function<Json(const std::string&)>& nameless) {
  constexpr std::size_t kBrief = 5;
  const std::string deed = "/needle-deed-" + std::to_string(getpid());
  std::size_t made = 0;
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    Tracer tracer("opensnoop", {"-j", "-e", "--hook", tier, "-n", "cat"});
    CHECK(runtime.exec(name, {"/bin/cat", deed}).status != 0);  // there is no such file
    std::vector<std::string> names;
    for (std::size_t i = 0; i < kBrief; i++) {
      names.push_back(name.substr(0, name.size() - 1) + std::to_string(made++));  // of one digit: there are two tiers
      CHECK(runtime.run(names.back(), {"/bin/sh", "-c", "/bin/cat " + deed + "; /bin/sleep 0.02"}).status == 0);
    }
    tracer.stop();
    CHECK(tracer.lost() == 0);
    std::vector<Json> events;
    for (const Json& event : tracer.events())
      if (event["path"] == deed) events.push_back(told(event));
    REQUIRE(events.size() == 1 + kBrief);
    CHECK(events[0] == lasting);
    std::size_t count = 0;
    for (std::size_t i = 0; i < kBrief; i++) {
      const Json& event = events[i + 1];
      INFO(event.dump());
      if (event == named(names[i])) count++;
      else CHECK(event == nameless(names[i]));
    }
    CHECK(count > 0);
  }
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
  const auto named = [](const std::string& name) { return told(name, "runc", name); };
  check_lines(runc, "needle-runc", named("needle-runc"), named, [](const std::string&) { return told({}, {}, {}); });
}

TEST_CASE("containerd, as Kubernetes uses it") {
  const std::string uid = "eb052b63-ea96-4728-ab4a-64ab3babccd7", image = "docker.io/library/nginx:1.25", id(64, 'e');
  Containerd containerd("k8s.io", {{"io.kubernetes.cri.container-type", "container"},
                                   {"io.kubernetes.cri.sandbox-name", "web-5d9c"},
                                   {"io.kubernetes.cri.sandbox-namespace", "shop"},
                                   {"io.kubernetes.cri.sandbox-uid", uid},
                                   {"io.kubernetes.cri.container-name", "nginx"},
                                   {"io.kubernetes.cri.image-name", image}});
  works(containerd, id);
  CHECK(shown(containerd, id) ==
        "id=" + id + " runtime=containerd name=nginx image=" + image + " pod=web-5d9c ns=shop uid=" + uid);
  const auto named = [&](const std::string& name) { return told(name, "containerd", "nginx", image, "web-5d9c", "shop", uid); };
  check_lines(containerd, id, named(id), named, [](const std::string& name) { return told(name, "containerd", {}); });
}

TEST_CASE("containerd, by ctr") {
  Containerd containerd;
  works(containerd, "needle-ctr");
  CHECK(shown(containerd, "needle-ctr") == "id=needle-ctr runtime=containerd name=needle-ctr image= pod= ns= uid=");
  const auto named = [](const std::string& name) { return told(name, "containerd", name); };
  check_lines(containerd, "needle-ctr", named("needle-ctr"), named, [](const std::string&) { return told({}, {}, {}); });
}

TEST_CASE("Docker") {
  Docker docker;
  works(docker, "needle-docker");
  const std::string id = docker.id("needle-docker");
  REQUIRE(id.size() == 64);
  CHECK(shown(docker, "needle-docker") ==
        "id=" + id + " runtime=docker name=needle-docker image=" + Docker::kImage + " pod= ns= uid=");
  check_lines(
      docker, "needle-docker", told(id, "docker", "needle-docker", Docker::kImage),
      [&](const std::string& name) { return told(docker.id(name), "docker", name, Docker::kImage); },
      [&](const std::string& name) { return told(docker.id(name), "docker", {}); });
}
