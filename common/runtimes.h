// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the container runtimes have written to disk.
#pragma once

#include "container.h"
#include "disk.h"

#include <string>
#include <string_view>

namespace needle {

class Runtimes {
 public:
  explicit Runtimes(const std::string& root) : disk_(root) {}

  // Fills in what is known of the container of this cgroup: of the one that `name` has found in
  // the path, else of one whose state names this very cgroup. False if nothing is known (yet).
  bool describe(Container&, const CgroupName& name, std::string_view path) const;

 private:
  Disk disk_;
};

}  // namespace needle
