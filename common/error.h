// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include <stdexcept>
#include <string>

namespace needle {

// The tool cannot do what it was asked: main() prints it and exits with the status.
struct Error : std::runtime_error {
  explicit Error(const std::string& what, int exit_status = 1) : runtime_error(what), status(exit_status) {}
  int status;
};

// It was asked something that makes no sense: main() prints it and exits 2.
struct BadUsage : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace needle
