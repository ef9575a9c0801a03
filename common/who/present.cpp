// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "who/present.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace needle {
namespace {

// Whether `is` says so of some process; true if there is no /proc to tell.
template <class Is> bool any_process(Is is) {
  std::error_code error;
  bool some = false;
  for (std::filesystem::directory_iterator at("/proc", error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename();
    if (name[0] < '1' || name[0] > '9') continue;
    some = true;
    if (is(at->path().string())) return true;
  }
  return !some;
}

}  // namespace

bool session_has_processes(__u32 session) {
  return any_process([session](const std::string& process) {
    std::ifstream in(process + "/stat");  // "1 (comm) S PPID PGRP SESSION"
    std::string text;
    std::getline(in, text);
    const std::size_t behind = text.rfind(')');
    if (behind == text.npos) return false;
    char state = 0;
    long parent = 0, group = 0, id = -1;
    std::istringstream rest(text.substr(behind + 1));
    rest >> state >> parent >> group >> id;
    return id == static_cast<long>(session);
  });
}

bool namespace_has_processes(const std::string& kind, __u32 number) {
  return any_process([&](const std::string& process) {
    struct stat st {};
    return stat((process + "/ns/" + kind).c_str(), &st) == 0 && st.st_ino == number;
  });
}

}  // namespace needle
