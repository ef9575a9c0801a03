// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/habits.h"

namespace needle {
namespace {

struct Habit {
  std::string_view tool;  // empty: of all
  std::string_view theirs;
  std::string_view ours;  // empty: what it asks for is always so
};

constexpr Habit kHabits[] = {
    {"", "--name", "--comm"},
    {"", "--timestamp", "--time"},
    {"", "--print-uid", "--show-uid"},
    {"", "--extended-fields", "--extended"},
    {"", "--extended_fields", "--extended"},
    {"", "--fails", "--failed"},
    {"opensnoop", "-F", ""},  // paths are whole
    {"opensnoop", "--full-path", ""},
    {"opensnoop", "--flag_filter", "--flag"},
    {"opensnoop", "--flag-filter", "--flag"},
    {"execsnoop", "-P", "--ppid"},
    {"execsnoop", "-q", ""},  // arguments are quoted
    {"execsnoop", "--quote", ""},
    {"connectsnoop", "-P", "--port"},
};

struct Answer {
  std::string_view theirs, instead;
};

constexpr Answer kAnswers[] = {
    {"--cgroupmap", "write --cgroup PATH, or --container NAME"},
    {"--mntnsmap", "write --mnt-ns PID, or --container NAME"},
    {"--buffer-pages", "write --buffer SIZE, such as 16M"},
    {"-b", "write --buffer SIZE, such as 16M"},
    {"--line", "write execsnoop | grep, or --path PREFIX for the program"},
    {"-l", "write execsnoop | grep, or --path PREFIX for the program"},
    {"--max-args", "all arguments are shown, up to 8 KiB of them"},
    {"--lport", "the local port is in the column lport"},
    {"-L", "the local port is in the column lport"},
    {"--dns", "addresses are shown as the kernel has them; getent hosts ADDRESS names one"},
    {"-c", "write --count N to stop after so many events, --cgroup PATH for a cgroup"},
};

}  // namespace

std::vector<std::string> in_our_words(std::string_view tool, const std::vector<std::string>& words) {
  std::vector<std::string> ours;
  for (const std::string& word : words) {
    const Habit* habit = nullptr;
    std::string_view value;  // what follows in the same word: --name=x, -P80
    for (const Habit& h : kHabits) {
      if ((!h.tool.empty() && h.tool != tool) || !word.starts_with(h.theirs)) continue;
      const std::string_view rest = std::string_view(word).substr(h.theirs.size());
      const bool lone = rest.empty(), valued = !h.ours.empty() && (rest.starts_with('=') || !h.theirs.starts_with("--"));
      if (lone || valued) habit = &h, value = rest;
    }
    if (!habit) ours.push_back(word);
    else if (!habit->ours.empty())
      ours.push_back(std::string(habit->ours) + (value.empty() || value[0] == '=' ? "" : "=") + std::string(value));
  }
  return ours;
}

std::string_view instead_of(std::string_view option) {
  option = option.substr(0, option.find('='));
  for (const Answer& a : kAnswers)
    if (a.theirs == option) return a.instead;
  return {};
}

}  // namespace needle
