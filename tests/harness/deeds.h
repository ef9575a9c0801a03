// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// For tests of what all tools share. TOOLS comes from CMake.
#pragma once

#include "harness.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sstream>

namespace harness {

inline std::vector<std::string> all_tools() {
  std::vector<std::string> all;
  std::istringstream in(TOOLS);
  for (std::string name; in >> name;) all.push_back(name);
  return all;
}

// One line of the tool: the cheapest deed that it reports. Those that no tool is known to want
// are done for all.
inline void deed_for(const std::string& tool, const std::string& path) {
  const bool known = tool == "opensnoop" || tool == "execsnoop" || tool == "connectsnoop" || tool == "chmodsnoop";
  if (!known || tool == "opensnoop") close(open(path.c_str(), O_RDONLY));
  if (!known || tool == "chmodsnoop") chmod(path.c_str(), 0600);
  if (!known || tool == "execsnoop") {
    char* const argv[] = {const_cast<char*>("none"), nullptr};
    execve((path + "-none").c_str(), argv, argv);
  }
  if (!known || tool == "connectsnoop") {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(9);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to);
    close(fd);
  }
}

}  // namespace harness
