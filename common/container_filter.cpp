// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "container_filter.h"

#include "error.h"

#include <dirent.h>
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <set>

namespace needle {
namespace {

constexpr std::string_view kPod = "pod/", kNamespace = "ns/";
constexpr std::size_t kPrefix = 6;  // shorter ones may begin the id of another by chance

bool names(std::string_view text, const Container& c) {
  if (text.starts_with(kPod)) return c.pod == text.substr(kPod.size());
  if (text.starts_with(kNamespace)) return c.ns == text.substr(kNamespace.size());
  return c.name == text || c.id == text || (text.size() >= kPrefix && c.id.starts_with(text));
}

bool any_names(const std::vector<std::string>& texts, const Container& c) {
  return std::ranges::any_of(texts, [&](const std::string& text) { return names(text, c); });
}

// Of all processes.
std::set<std::string> cgroup_paths() {
  std::set<std::string> paths;
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(opendir("/proc"), closedir);
  while (const dirent* process = proc ? readdir(proc.get()) : nullptr) {
    if (process->d_name[0] < '1' || process->d_name[0] > '9') continue;
    std::ifstream groups(fmt::format("/proc/{}/cgroup", process->d_name));  // lines "4:memory:/docker/ID"
    for (std::string line; std::getline(groups, line);)
      if (const std::size_t path = line.find(":/"); path != line.npos) paths.insert(line.substr(path + 1));
  }
  return paths;
}

}  // namespace

void check_container_name(std::string_view option, const std::string& name) {
  if (name.empty() || name == kPod || name == kNamespace)
    throw BadUsage(fmt::format("{}: '{}' names no container; give a name, an id, {}NAME or {}NAMESPACE", option, name, kPod, kNamespace));
}

ContainerFilter::Verdict ContainerFilter::of(const Container* c) const {
  if (!c) return host || wanted.empty() ? Verdict::wanted : Verdict::unwanted;
  if (any_names(unwanted, *c)) return Verdict::unwanted;
  if (any_names(wanted, *c) || (wanted.empty() && !host)) return Verdict::wanted;
  return wanted.empty() || !c->name.empty() ? Verdict::unwanted : Verdict::not_yet;
}

std::vector<std::string> ContainerFilter::absent() const {
  std::vector<std::string> left = wanted;
  if (left.empty()) return left;
  Containers containers;
  for (const std::string& path : cgroup_paths())
    if (const Container* c = containers.of(path)) std::erase_if(left, [&](const std::string& text) { return names(text, *c); });
  return left;
}

}  // namespace needle
