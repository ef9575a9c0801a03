// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Which container a cgroup belongs to: by its path, and what the runtime has written to disk
// about it. No daemon is asked.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace needle {

// What one component of a cgroup's path says. Views into the path.
struct CgroupName {
  std::string_view id;       // empty: no container
  std::string_view runtime;  // "docker", "containerd", "cri-o", "podman", "lxc", ...; empty if the path does not tell
  std::string_view pod_uid;  // of Kubernetes, as the path has it: systemd's driver writes _ for -
  std::string_view path;     // the container's own cgroup: the path up to the component with the id
  bool firm = false;         // an id that nobody gives by chance; else any word in a certain place
};

// All that look like containers, the outermost first. The path is below the root of its hierarchy,
// as in /proc/PID/cgroup.
//
// Cgroups without an id inside a container (init.scope, a service) belong to it. A monitor
// (conmon, lxc.monitor) is not in the container it monitors.
std::vector<CgroupName> container_names(std::string_view path);

// The outermost.
CgroupName parse_cgroup(std::string_view path);

// Of a path: cgroups further down than `level` components are named by this user, other than root.
struct Delegated {
  unsigned uid = 0;  // 0: there are none
  std::size_t level = 0;
};

struct Container {
  std::string id, runtime;
  // From disk: hostile bytes, and empty if there is none or it is not known.
  std::string name, image, pod, ns;
  std::string pod_uid;
  bool described = false;  // by a runtime's state. Else what is empty is not known
  bool claimed = false;    // not described, and by a name that others than the host's root, or anyone for any purpose, may give
};

// Stand for the container of a process of which it is not known: because it was not told, and because its cgroup is
// deeper than what is told.
const Container& unknown_container();
const Container& buried_container();

// The containers of this system. Bounded: the least recently used is forgotten. Of what a path says
// counts the outermost container that the state of a runtime of the host knows, and if there is none the
// outermost that has a container's name: who is in it may make cgroups below with whatever names.
// A name that is not there yet is looked for again, ever more seldom; one that is there is read again
// when its file has changed. Files are read as this process may: other users' take
// CAP_DAC_READ_SEARCH. Each owner of files gets some of the reader's time and no more.
class Containers {
 public:
  using Clock = std::chrono::steady_clock;

  // `root`: where the system's file tree is, for tests.
  explicit Containers(const std::string& root = "/");
  ~Containers();

  // Null: in no container. `until`: when to ask again, unless version() changes before. The container
  // is valid, and what it says is true, until then or the next call but one.
  const Container* of(std::string_view cgroup_path, const Delegated& = {}, Clock::time_point* until = nullptr);
  std::uint64_t version() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace needle
