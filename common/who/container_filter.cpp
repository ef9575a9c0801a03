// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "who/container_filter.h"

#include "error.h"

#include <dirent.h>
#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <set>

namespace needle {
namespace {

constexpr std::string_view kPod = "pod/", kNamespace = "ns/";
constexpr std::size_t kPrefix = 6;  // shorter ones may begin the id of another by chance

bool begins(std::string_view text, std::string_view id) { return id == text || (text.size() >= kPrefix && id.starts_with(text)); }

// `text`: a name, or a pattern of fnmatch(3).
bool is(const std::string& text, const std::string& name) {
  if (name.empty()) return false;
  return text.find_first_of("*?[") == text.npos ? text == name : fnmatch(text.c_str(), name.c_str(), 0) == 0;
}

bool names(const std::string& text, const Container& c) {
  if (text.starts_with(kPod)) return is(text.substr(kPod.size()), c.pod);
  if (text.starts_with(kNamespace)) return is(text.substr(kNamespace.size()), c.ns);
  return is(text, c.name) || is(text, c.id) || begins(text, c.id);
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
    throw BadUsage(
        fmt::format("{}: '{}' names no container; give a name, an id, {}NAME or {}NAMESPACE", option, name, kPod, kNamespace));
}

ContainerFilter::Verdict ContainerFilter::of(const Container* c, const std::vector<std::string>& claims) const {
  const bool asks = !wanted.empty() || !pods.empty() || !namespaces.empty();
  if (!c) return host || !asks ? Verdict::wanted : Verdict::unwanted;
  if (c->id.empty() || c->claimed) return Verdict::wanted;
  if (any_names(unwanted, *c)) return Verdict::unwanted;
  if (!asks) return host ? Verdict::unwanted : Verdict::wanted;
  const auto claimed = [&](const std::string& text) {
    return std::ranges::any_of(claims, [&](const std::string& id) { return begins(text, id); });
  };
  if ((wanted.empty() || any_names(wanted, *c) || std::ranges::any_of(wanted, claimed)) &&
      (pods.empty() || any_names(pods, *c)) && (namespaces.empty() || any_names(namespaces, *c)))
    return Verdict::wanted;
  return c->described ? Verdict::unwanted : Verdict::not_yet;
}

ContainerFilter::Absent ContainerFilter::absent() const {
  Absent left{wanted};
  for (const auto* more : {&pods, &namespaces}) left.names.insert(left.names.end(), more->begin(), more->end());
  if (left.names.empty()) return left;
  Containers containers;
  std::set<std::string> unnamed;
  for (const std::string& path : cgroup_paths()) {
    const Container* c = containers.of(path);
    if (c && !c->described) unnamed.insert(c->id);
    for (const CgroupName& name : container_names(path))
      std::erase_if(left.names, [&](const std::string& text) { return begins(text, name.id); });
    if (c) std::erase_if(left.names, [&](const std::string& text) { return names(text, *c); });
  }
  left.unnamed = unnamed.size();
  return left;
}

std::vector<std::string> running_containers() {
  Containers containers;
  std::set<std::string> all;
  for (const std::string& path : cgroup_paths())
    if (const Container* c = containers.of(path)) {
      all.insert(c->name.empty() ? c->id.substr(0, 12) : c->name);
      if (!c->pod.empty()) all.insert("pod/" + c->pod);
      if (!c->ns.empty()) all.insert("ns/" + c->ns);
    }
  return {all.begin(), all.end()};
}

}  // namespace needle
