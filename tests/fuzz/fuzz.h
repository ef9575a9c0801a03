// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What every fuzz target has: libFuzzer calls LLVMFuzzerTestOneInput() with bytes of its choice; what it finds is a crash, a
// report of a sanitizer, or an expect() that does not hold. It starts from the target's seeds(), which --seeds=DIRECTORY writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

// Valid inputs, of the kinds that lead far into the code.
std::vector<std::string> seeds();

// libFuzzer leaves words that begin with two dashes to the target.
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  constexpr std::string_view kOption = "--seeds=";
  for (int i = 1; i < *argc; i++)
    if (const std::string_view word = (*argv)[i]; word.starts_with(kOption)) {
      int n = 0;
      for (const std::string& seed : seeds())
        std::ofstream(std::string(word.substr(kOption.size())) + "/seed-" + std::to_string(n++), std::ios::binary) << seed;
      std::exit(n > 0 ? 0 : 1);
    }
  return 0;
}

inline void expect(bool holds, const char* what, std::string_view about = {}) {
  if (holds) return;
  std::fprintf(stderr, "%s: %.*s\n", what, static_cast<int>(about.size()), about.data());
  std::abort();
}
