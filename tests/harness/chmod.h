// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the tests of chmodsnoop share.
#pragma once

#include "harness.h"

#include <linux/magic.h>
#include <sys/vfs.h>

namespace harness {

// Whether the kernel tells which inode a chmod in `dir` changes: to tracepoints, tmpfs does since 6.13.
inline bool tells_inode(const std::string& tier, const std::string& dir) {
  static const bool traces_ctime =
      run_tool("chmodsnoop", {"-v", "--hook", "tp", "-d", "0.001"}).err.find("ctime_ns_xchg") != std::string::npos;
  struct statfs fs {};
  check(statfs(dir.c_str(), &fs), "statfs");
  return tier == "fentry" || fs.f_type != TMPFS_MAGIC || traces_ctime;
}

}  // namespace harness
