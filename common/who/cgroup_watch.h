// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// --cgroup and --unit: which cgroups their directories are. A service that is started again gets a new cgroup in a directory of the same name.
#pragma once

#include "run/watch.h"

#include <cstdint>
#include <string>
#include <vector>

namespace needle {

class CgroupWatch final : public Watch {
 public:
  // `map`: the programs' array of cgroups, borrowed, whose entries are for the paths and then for the units of systemd; they need
  // not be there yet. Throws Error.
  CgroupWatch(int map, const std::vector<std::string>& paths, const std::vector<std::string>& units);

  int fd() const override { return notify_.fd(); }
  void tell_absent() const override;
  void look() override;
  std::uint64_t capabilities() const override;

 private:
  struct Directory {
    std::string path;         // of a unit, where it was last
    std::string unit;         // empty: it is none
    std::uint64_t inode = 0;  // 0: it is not there
  };
  bool update(Directory&, std::uint32_t index);  // whether it has come or gone
  void find(Directory&);

  int map_;
  Notify notify_;
  int error_ = 0;  // errno of the last update
  std::vector<Directory> directories_;
};

// Where cgroup v2 is mounted; empty: nowhere.
std::string cgroup_mount();

}  // namespace needle
