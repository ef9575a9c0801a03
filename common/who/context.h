// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What events only refer to: cgroups by their ids, users by theirs.
#pragma once

#include "record.h"

#include <string>
#include <unordered_map>
#include <vector>

namespace needle {

// The containers of the cgroups that the programs have told the names of. Bounded: the kernel tells
// again what it has not seen for long, before this forgets it.
class Cgroups {
 public:
  void learn(const Record&);  // a cgroups_record
  // Null: in no container. unknown_container() if the cgroup was never told, buried_container() if it is too deep.
  // Valid until the next call.
  const Container* container(const ev_cgroups&);
  // The ids that the names of these cgroups have in them, but for that of container(): whoever is in a container may
  // give names to those it makes there.
  const std::vector<std::string>& claims(const ev_cgroups&);

 private:
  struct Hash {
    std::size_t operator()(const ev_cgroups& c) const { return std::hash<__u64>{}(c.unified * 0x9e3779b97f4a7c15u + c.v1); }
  };
  struct Same {
    bool operator()(const ev_cgroups& a, const ev_cgroups& b) const { return a.unified == b.unified && a.v1 == b.v1; }
  };
  struct Path {
    std::string path;  // below the root, which is empty
    Delegated delegated;
    bool cut = false;  // there is more below
  };
  struct Paths {
    Path v1, unified;
    std::vector<std::string> claims;
    // What container() has found, as long as that holds.
    const Container* container = nullptr;
    std::uint64_t version = 0;
    Containers::Clock::time_point until{};
  };
  using Map = std::unordered_map<ev_cgroups, Paths, Hash, Same>;

  Paths* paths(const ev_cgroups&);

  Map young_, old_;
  Containers containers_;
};

// Whether this system has controllers of cgroup v1, as hybrid ones do.
bool have_cgroup_v1();

}  // namespace needle
