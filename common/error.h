// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include <stdexcept>

namespace needle {

// The tool cannot do what it was asked: main() prints it and exits 1.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// It was asked something that makes no sense: main() prints it and exits 2.
struct BadUsage : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace needle
