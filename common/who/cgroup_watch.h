// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// --cgroup: which cgroups its directories are. A service that is started again gets a new cgroup in a directory of the same name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace needle {

class CgroupWatch {
 public:
  // `map`: the programs' array of cgroups, borrowed, whose entry i is for paths[i], which need not be there yet. Throws Error.
  CgroupWatch(int map, std::vector<std::string> paths);
  ~CgroupWatch();
  CgroupWatch(const CgroupWatch&) = delete;
  CgroupWatch& operator=(const CgroupWatch&) = delete;

  // An inotify(7) descriptor, readable when one of the directories may have come or gone; -1: none could be had.
  int fd() const { return notify_; }
  // Says which of them are waited for.
  void tell_absent() const;
  // Looks at the directories, tells the programs, and says what has changed.
  void look();

 private:
  struct Directory {
    std::string path;
    std::uint64_t inode = 0;  // 0: it is not there
  };
  bool update(Directory&, std::uint32_t index);  // whether it has come or gone
  void watch(const std::string& path);

  int map_, notify_;
  int error_ = 0;  // errno of the last update
  std::vector<Directory> directories_;
};

}  // namespace needle
