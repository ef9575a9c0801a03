// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "who/context.h"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>

namespace needle {
namespace {

// Of each of two generations. More than the programs remember (see cgroups_sent).
constexpr std::size_t kPaths = 16384;

// "system.slice\0docker-1.scope\0" as "/system.slice/docker-1.scope"; the root is empty.
std::string path_of(std::string_view names) {
  std::string path;
  for (std::size_t begin = 0, end; (end = names.find('\0', begin)) != names.npos; begin = end + 1) {
    path += '/';
    path += names.substr(begin, end - begin);
  }
  return path;
}

// As of the last tick of a clock, which costs next to nothing.
Containers::Clock::time_point now_about() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
  return Containers::Clock::time_point(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
}

}  // namespace

void Cgroups::learn(const Record& r) {
  if (r.bytes.size() < sizeof(cgroups_record)) return;
  const auto& told = r.as<cgroups_record>();
  if (young_.size() >= kPaths) {
    old_ = std::move(young_);
    young_.clear();
  }
  Paths& p = young_[told.cgroups] = {};
  for (const auto& [path, names] : {std::pair{&p.v1, &told.v1}, {&p.unified, &told.unified}}) {
    path->path = path_of(r.str(names->s));
    path->delegated = {static_cast<unsigned>(names->owner), names->owned};
    path->cut = names->s.mark != 0;
    for (const CgroupName& name : container_names(path->path))
      if (std::ranges::find(p.claims, name.id) == p.claims.end()) p.claims.emplace_back(name.id);
  }
  container(told.cgroups);  // now: what the runtime has written may be gone with the container when the line is made
}

Cgroups::Paths* Cgroups::paths(const ev_cgroups& c) {
  if (const auto found = young_.find(c); found != young_.end()) return &found->second;
  const auto found = old_.find(c);
  if (found == old_.end()) return nullptr;
  return &(young_[c] = std::move(found->second));
}

const Container* Cgroups::container(const ev_cgroups& c) {
  Paths* p = paths(c);
  if (!p) return &unknown_container();
  if (p->version == containers_.version() && now_about() < p->until) return p->container;
  // What the state of a runtime says is better than a name that root has given, that than one that others may have
  // given, that than none of a cgroup whose name is not known to the end.
  const auto worth = [](const Container* of) { return !of ? 0 : of->id.empty() ? 1 : of->claimed ? 2 : of->described ? 4 : 3; };
  p->container = nullptr;
  p->until = Containers::Clock::time_point::max();
  // A runtime makes a cgroup of each controller, but not always one of v2.
  for (const Path* path : {&p->v1, &p->unified}) {
    Containers::Clock::time_point until = p->until;
    const Container* found = path->path.empty() ? nullptr : containers_.of(path->path, path->delegated, &until);
    if (!found && path->cut) found = &buried_container();
    if (worth(found) > worth(p->container)) p->container = found;
    p->until = std::min(p->until, until);
  }
  p->version = containers_.version();
  return p->container;
}

const std::vector<std::string>& Cgroups::claims(const ev_cgroups& c) {
  static const std::vector<std::string> none;
  const Paths* p = paths(c);
  return p ? p->claims : none;
}

bool have_cgroup_v1() {
  std::ifstream groups("/proc/self/cgroup");  // "4:memory:/", "0::/" of v2, "1:name=systemd:/" without a controller
  for (std::string line; std::getline(groups, line);) {
    const std::size_t colon = line.find(':');
    if (colon != line.npos && line.compare(colon + 1, 1, ":") != 0 && line.compare(colon + 1, 5, "name=") != 0) return true;
  }
  return false;
}

}  // namespace needle
