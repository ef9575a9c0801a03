// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A process that is replaced by an exec under execsnoop, and the new program's own word for its
// arguments.
#pragma once

#include "harness.h"

#include <filesystem>

namespace harness {

struct Executed {
  pid_t pid = -1;
  int status = -1;   // of the new program, or the errno of the exec that failed
  std::string argv;  // what the new program found: NUL-terminated words
  std::vector<Json> events;
  std::vector<std::string> lines;  // instead of events, without "-j"
  const Json& only() const;        // FAILs unless there is exactly one event
  Json args() const;               // argv as an array
};

// Runs `deed`, which is to exec, in a child of its own, traced with `args` by its id.
Executed executed(const Args& args, std::function<void()> deed);
// The same for the JSON output of one tier.
inline Executed executed(const std::string& tier, std::function<void()> deed) {
  return executed(Args{"-j", "--hook", tier}, std::move(deed));
}

// The program of tests/helpers/argv.c, copied to `path`.
std::string argv_program(const std::string& path, mode_t mode = 0755);

// The arrays of pointers that exec wants; they live as long as this.
class Words {
 public:
  Words(std::vector<std::string> words);
  char** data() { return pointers_.data(); }

 private:
  std::vector<std::string> words_;
  std::vector<char*> pointers_;
};

// The same in 32 bits, below 4 GiB.
char* low_words(const std::vector<std::string>& words);

}  // namespace harness
