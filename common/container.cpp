// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "container.h"

#include "runtimes.h"

#include <algorithm>
#include <chrono>
#include <list>
#include <unordered_map>

namespace needle {
namespace {

using std::string_view;

bool is_digit(char c) { return '0' <= c && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || ('a' <= c && c <= 'f'); }

bool is_id(string_view s) { return s.size() == 64 && std::all_of(s.begin(), s.end(), is_hex); }
// BuildKit's: 25 digits of base 36.
bool is_build_id(string_view s) {
  return s.size() == 25 && std::all_of(s.begin(), s.end(), [](char c) { return is_digit(c) || ('a' <= c && c <= 'z'); });
}
// Garden's: like a UUID, with a short last part.
bool is_garden_id(string_view s) {
  if (s.size() != 28) return false;
  for (std::size_t i = 0; i < s.size(); i++)
    if (i == 8 || i == 13 || i == 18 || i == 23 ? s[i] != '-' : !is_hex(s[i])) return false;
  return true;
}
bool is_pod_uid(string_view s) {
  return s.size() >= 32 && s.size() <= 36 &&
         std::all_of(s.begin(), s.end(), [](char c) { return is_hex(c) || c == '-' || c == '_'; });
}
bool is_any(string_view s) { return !s.empty() && s != "." && s != ".."; }

// The names that runtimes give to what they make: PREFIX-ID.scope and SLICE:PREFIX:ID with
// systemd's driver, PARENT/ID with the cgroupfs driver.
struct Naming {
  string_view word, runtime;
  bool (*valid)(string_view id);
};
constexpr Naming kPrefixes[] = {
    {"docker", "docker", is_id},       {"cri-containerd", "containerd", is_id}, {"nerdctl", "containerd", is_id},
    {"crio", "cri-o", is_id},          {"libpod", "podman", is_id},             {"libpod-payload", "podman", is_id},
    {"buildkit", "buildkit", is_build_id}, {"runc", "runc", is_any},            {"crun", "crun", is_any},
};
constexpr Naming kParents[] = {
    {"docker", "docker", is_id},       {"actions_job", "docker", is_id},   {"k8s.io", "containerd", is_any},
    {"buildkit", "buildkit", is_build_id}, {"lxc", "lxc", is_any},         {"lxc.payload", "lxc", is_any},
    {"garden", "garden", is_garden_id}, {"good", "garden", is_garden_id},  {"bad", "garden", is_garden_id},
};

CgroupName named(const Naming* begin, const Naming* end, string_view word, string_view id) {
  const Naming* n = std::find_if(begin, end, [&](const Naming& x) { return x.word == word && x.valid(id); });
  return n == end ? CgroupName{} : CgroupName{id, n->runtime, {}, {}};
}
CgroupName prefixed(string_view word, string_view id) { return named(std::begin(kPrefixes), std::end(kPrefixes), word, id); }

// One component and the one above it.
CgroupName container_of(string_view component, string_view parent) {
  constexpr string_view kScope = ".scope", kPayload = "lxc.payload.";
  if (is_id(component)) {
    const CgroupName name = named(std::begin(kParents), std::end(kParents), parent, component);
    return name.id.empty() ? CgroupName{component, {}, {}, {}} : name;
  }
  if (component.starts_with(kPayload) && component.size() > kPayload.size()) return {component.substr(kPayload.size()), "lxc", {}, {}};
  if (const CgroupName name = named(std::begin(kParents), std::end(kParents), parent, component); !name.id.empty()) return name;
  if (const auto id = component.rfind(':'); id != component.npos && id > 0) {  // what systemd's driver is told, taken literally
    const auto prefix = component.rfind(':', id - 1);
    return prefix == component.npos ? CgroupName{} : prefixed(component.substr(prefix + 1, id - prefix - 1), component.substr(id + 1));
  }
  const bool scope = component.ends_with(kScope);
  if (scope) component.remove_suffix(kScope.size());
  for (auto dash = component.find('-'); dash != component.npos; dash = component.find('-', dash + 1)) {
    const CgroupName name = prefixed(component.substr(0, dash), component.substr(dash + 1));
    if (!name.id.empty() && (scope || is_id(name.id))) return name;
  }
  return {};
}

// podUID of the cgroupfs driver, [...-]kubepods-[QOS-]podUID.slice of systemd's, or empty.
string_view pod_of(string_view component) {
  component = component.substr(0, component.find(':'));
  if (component.ends_with(".slice")) {
    component.remove_suffix(6);
    const auto dash = component.rfind('-');
    if (dash == component.npos) return {};
    component.remove_prefix(dash + 1);
  }
  if (!component.starts_with("pod")) return {};
  component.remove_prefix(3);
  return is_pod_uid(component) ? component : string_view{};
}

}  // namespace

CgroupName parse_cgroup(string_view path) {
  constexpr string_view kDeleted = " (deleted)";
  if (path.ends_with(kDeleted)) path.remove_suffix(kDeleted.size());
  CgroupName name;
  for (string_view rest = path; !rest.empty();) {
    const auto slash = rest.rfind('/');
    const string_view component = rest.substr(slash + 1);  // npos + 1 is 0
    const string_view above = slash == rest.npos ? string_view{} : rest.substr(0, slash);
    if (name.id.empty()) {
      name = container_of(component, above.substr(above.rfind('/') + 1));
      if (!name.id.empty()) name.path = rest;
    }
    if (!name.id.empty()) name.pod_uid = pod_of(component);
    if (!name.pod_uid.empty()) break;
    rest = above;
  }
  return name;
}

struct Containers::State {
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kMost = 4096;
  static constexpr Clock::duration kShortest = std::chrono::milliseconds(1), kLongest = std::chrono::minutes(1);

  struct Entry {
    std::string cgroup;
    Container container;
    bool described = false;
    Clock::time_point first{}, again{};
  };

  Runtimes runtimes;
  std::list<Entry> entries;  // the most recently used first
  std::unordered_map<string_view, std::list<Entry>::iterator> by_cgroup;
};

Containers::Containers(const std::string& root) : state_(new State{Runtimes(root), {}, {}}) {}
Containers::~Containers() = default;

const Container* Containers::of(string_view cgroup_path) {
  auto& [runtimes, entries, by_cgroup] = *state_;
  const CgroupName name = parse_cgroup(cgroup_path);
  const string_view cgroup = name.id.empty() ? cgroup_path : name.path;
  if (const auto known = by_cgroup.find(cgroup); known != by_cgroup.end()) {
    entries.splice(entries.begin(), entries, known->second);
  } else {
    if (entries.size() == State::kMost) {
      by_cgroup.erase(entries.back().cgroup);
      entries.pop_back();
    }
    State::Entry& e = entries.emplace_front();
    e.cgroup = cgroup;
    e.container.id = name.id, e.container.runtime = name.runtime, e.container.pod_uid = name.pod_uid;
    std::replace(e.container.pod_uid.begin(), e.container.pod_uid.end(), '_', '-');
    by_cgroup.emplace(e.cgroup, entries.begin());
  }
  State::Entry& e = entries.front();
  if (!e.described) {
    const auto now = State::Clock::now();
    if (e.first == State::Clock::time_point{}) e.first = now;
    if (now >= e.again) {  // ever more seldom, yet soon enough for the first lines of a container that has just started
      e.described = runtimes.describe(e.container, name, cgroup);
      e.again = now + std::clamp((now - e.first) / 4, State::kShortest, State::kLongest);
    }
  }
  return e.container.id.empty() ? nullptr : &e.container;
}

}  // namespace needle
