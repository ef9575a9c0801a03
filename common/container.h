// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Which container a cgroup belongs to: by its path, and what the runtime has written to disk
// about it. No daemon is asked.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace needle {

// What the path of a cgroup says. Views into the path.
struct CgroupName {
  std::string_view id;       // empty: no container
  std::string_view runtime;  // "docker", "containerd", "cri-o", "podman", "lxc", ...; empty if the path does not tell
  std::string_view pod_uid;  // of Kubernetes, as the path has it: systemd's driver writes _ for -
  std::string_view path;     // the container's own cgroup: the path up to the component with the id
};

// The path is below the root of its hierarchy, as in /proc/PID/cgroup.
//
// In nested containers (kind, Docker in Docker, systemd in a container) the innermost container
// is the one: it is the process's own. Cgroups without an id inside a container (init.scope, a
// service) belong to it. A monitor (conmon, lxc.monitor) is not in the container it monitors.
//
// Whoever may make cgroups can name them like a container's: a user in the own slice, a container
// whose cgroups are writable. So the id is a claim there. Containers gives a name only to the
// cgroup that the runtime's state names.
CgroupName parse_cgroup(std::string_view path);

struct Container {
  std::string id, runtime;
  // From disk: hostile bytes, and empty if not known.
  std::string name, image, pod, ns;
  std::string pod_uid;
};

// The containers of this system, each read once when it is first asked for. Bounded: the least
// recently used is forgotten. A name that is not there yet is looked for again, ever more seldom.
// Files are read as this process may: other users' take CAP_DAC_READ_SEARCH.
class Containers {
 public:
  // `root`: where the system's file tree is, for tests.
  explicit Containers(const std::string& root = "/");
  ~Containers();

  // Null: in no container. Valid until the next call. Costs a parse and a look-up once known.
  const Container* of(std::string_view cgroup_path);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace needle
