// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "who/host.h"

#include <unistd.h>

#include <array>
#include <climits>

namespace needle {

const std::string& host_name() {
  static const std::string name = [] {
    std::array<char, HOST_NAME_MAX + 1> bytes{};  // of which the last stays 0
    return gethostname(bytes.data(), bytes.size() - 1) == 0 ? std::string(bytes.data()) : std::string();
  }();
  return name;
}

}  // namespace needle
