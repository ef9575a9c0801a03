// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "who/container.h"

#include "who/runtimes.h"

#include <time.h>

#include <algorithm>
#include <list>
#include <optional>
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
    {"docker", "docker", is_id},
    {"cri-containerd", "containerd", is_id},
    {"nerdctl", "containerd", is_id},
    {"crio", "cri-o", is_id},
    {"libpod", "podman", is_id},
    {"libpod-payload", "podman", is_id},
    {"buildkit", "buildkit", is_build_id},
    {"runc", "runc", is_any},
    {"crun", "crun", is_any},
};
constexpr Naming kParents[] = {
    {"docker", "docker", is_id},           {"actions_job", "docker", is_id}, {"k8s.io", "containerd", is_any},
    {"buildkit", "buildkit", is_build_id}, {"lxc", "lxc", is_any},           {"lxc.payload", "lxc", is_any},
    {"garden", "garden", is_garden_id},    {"good", "garden", is_garden_id}, {"bad", "garden", is_garden_id},
};

CgroupName named(const Naming* begin, const Naming* end, string_view word, string_view id) {
  const Naming* n = std::find_if(begin, end, [&](const Naming& x) { return x.word == word && x.valid(id); });
  return n == end ? CgroupName{} : CgroupName{id, n->runtime, {}, {}, n->valid != is_any};
}
CgroupName prefixed(string_view word, string_view id) { return named(std::begin(kPrefixes), std::end(kPrefixes), word, id); }

// One component and the one above it.
CgroupName container_of(string_view component, string_view parent) {
  constexpr string_view kScope = ".scope", kPayload = "lxc.payload.";
  if (is_id(component)) {
    const CgroupName name = named(std::begin(kParents), std::end(kParents), parent, component);
    return name.id.empty() || !name.firm ? CgroupName{component, name.runtime, {}, {}, true} : name;
  }
  if (component.starts_with(kPayload) && component.size() > kPayload.size())
    return {component.substr(kPayload.size()), "lxc", {}, {}, false};
  if (const CgroupName name = named(std::begin(kParents), std::end(kParents), parent, component); !name.id.empty()) return name;
  if (const auto id = component.rfind(':'); id != component.npos && id > 0) {  // what systemd's driver is told, taken literally
    const auto prefix = component.rfind(':', id - 1);
    return prefix == component.npos ? CgroupName{}
                                    : prefixed(component.substr(prefix + 1, id - prefix - 1), component.substr(id + 1));
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

// What the thread has computed, in ns.
std::int64_t cpu_time() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

std::vector<CgroupName> container_names(string_view path) {
  constexpr string_view kDeleted = " (deleted)";
  if (path.ends_with(kDeleted)) path.remove_suffix(kDeleted.size());
  std::vector<CgroupName> names;
  string_view above, pod;
  for (std::size_t begin = 0; begin < path.size();) {
    if (path[begin] == '/') begin++;
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const string_view component = path.substr(begin, end - begin);
    if (const string_view uid = pod_of(component); !uid.empty()) pod = uid;
    if (CgroupName name = container_of(component, above); !name.id.empty()) {
      name.pod_uid = pod;
      name.path = path.substr(0, end);
      names.push_back(name);
    }
    above = component;
    begin = end;
  }
  return names;
}

CgroupName parse_cgroup(string_view path) {
  const std::vector<CgroupName> names = container_names(path);
  return names.empty() ? CgroupName{} : names.front();
}

struct Containers::State {
  static constexpr std::size_t kMost = 4096;
  static constexpr Clock::duration kShortest = std::chrono::milliseconds(1), kLongest = std::chrono::minutes(1);
  static constexpr Clock::duration kFresh = std::chrono::milliseconds(500);  // how long a name is taken for true

  // By the container's own cgroup; what is in none by its own.
  struct Entry {
    std::string cgroup;
    Container container;
    Source source;
    Clock::time_point first{}, again{};
  };

  // Of one owner of files, in ns of the thread: what it may take now, of which it gets more as time
  // goes by. The last look may take more, which then has to be made up for.
  struct Budget {
    std::int64_t left;
    Clock::time_point filled;
  };
  struct Share {
    std::int64_t at_once, per_second;
  };
  static constexpr Share kSystem{1'000'000'000, 100'000'000}, kUser{100'000'000, 20'000'000};
  static constexpr std::size_t kOwners = 1024;

  explicit State(const std::string& root) : runtimes(root) {}

  Entry* find(string_view cgroup) {
    const auto known = by_cgroup.find(cgroup);
    return known == by_cgroup.end() ? nullptr : &*known->second;
  }

  Entry& touch(Entry& e) {
    entries.splice(entries.begin(), entries, by_cgroup.find(e.cgroup)->second);
    return e;
  }

  Entry& find_or_add(string_view cgroup, Clock::time_point now) {
    if (Entry* known = find(cgroup)) return touch(*known);
    if (entries.size() == kMost) {
      by_cgroup.erase(entries.back().cgroup);
      entries.pop_back();
      version++;
    }
    Entry& e = entries.emplace_front();
    e.cgroup = cgroup;
    e.first = now;
    by_cgroup.emplace(e.cgroup, entries.begin());
    return e;
  }

  // Looks at the disk if the owner of what is there has time left. False: not now.
  template <class F> bool look(unsigned owner, Clock::time_point now, F f) {
    const Share& share = owner == 0 ? kSystem : kUser;
    if (budgets.size() >= kOwners && !budgets.contains(owner)) budgets.clear();
    Budget& b = budgets.try_emplace(owner, Budget{share.at_once, now}).first->second;
    const std::chrono::duration<double> gone = now - b.filled;
    b.left = static_cast<std::int64_t>(std::min(
        static_cast<double>(share.at_once), static_cast<double>(b.left) + gone.count() * static_cast<double>(share.per_second)));
    b.filled = now;
    if (b.left <= 0) return false;
    const std::int64_t before = cpu_time();
    f();
    b.left -= cpu_time() - before;
    return true;
  }

  void set(Entry& e, Description&& found, Clock::time_point now) {
    e.container = std::move(found.container);
    e.container.described = true;
    e.source = std::move(found.source);
    e.again = now + kFresh;
    version++;
  }

  // Whether it has another name by now.
  void look_again(Entry& e, unsigned owner, const Delegated& d, Clock::time_point now) {
    if (now < e.again) return;
    e.again = now + kFresh;
    look(owner, now, [&] {
      if (const FileId id = runtimes.identify(e.source); id == e.source.id || id.inode == 0) return;
      auto found = runtimes.describe(e.cgroup, container_names(e.cgroup), d);
      if (found && found->cgroup == e.cgroup) set(e, std::move(*found), now);
    });
  }

  Runtimes runtimes;
  std::list<Entry> entries;  // the most recently used first
  std::unordered_map<string_view, std::list<Entry>::iterator> by_cgroup;
  std::unordered_map<unsigned, Budget> budgets;
  std::uint64_t version = 1;
};

Containers::Containers(const std::string& root) : state_(new State(root)) {}
Containers::~Containers() = default;

std::uint64_t Containers::version() const { return state_->version; }

const Container* Containers::of(string_view path, const Delegated& d, Clock::time_point* until) {
  State& s = *state_;
  const Clock::time_point now = Clock::now();
  State::Entry* known = nullptr;
  std::size_t level = 0;
  for_each_prefix(path, [&](string_view prefix) {
    level++;
    known = s.find(prefix);
    return known && known->container.described;
  });
  if (known && known->container.described) {
    s.look_again(s.touch(*known), owner_of(path, level, d), d, now);
    if (until) *until = known->again;
    return &known->container;
  }
  const std::vector<CgroupName> names = container_names(path);
  State::Entry* e = &s.find_or_add(names.empty() ? path : names.front().path, now);
  if (!names.empty()) {
    const CgroupName& name = names.front();
    const auto at = static_cast<std::size_t>(std::count(name.path.begin(), name.path.end(), '/'));
    const bool claimed = !name.firm || owner_of(path, at, d) != 0;
    Container& c = e->container;
    if (c.id.empty()) {
      c.id = name.id, c.runtime = name.runtime, c.pod_uid = name.pod_uid;
      std::replace(c.pod_uid.begin(), c.pod_uid.end(), '_', '-');
    }
    s.version += claimed != c.claimed;  // another has made it meanwhile
    c.claimed = claimed;
  }
  if (now >= e->again) {  // ever more seldom, yet soon enough for the first lines of a container that has just started
    std::optional<Description> found;
    if (!s.look(owner_of(path, level, d), now, [&] { found = s.runtimes.describe(path, names, d); })) {
      e->again = now + State::kFresh / 10;
    } else if (found) {
      e = &s.find_or_add(found->cgroup, now);
      s.set(*e, std::move(*found), now);
    } else {
      e->again = now + std::clamp((now - e->first) / 4, State::kShortest, State::kLongest);
    }
  }
  if (until) *until = e->again;
  return e->container.id.empty() ? nullptr : &e->container;
}

const Container& unknown_container() {
  static const Container unknown;
  return unknown;
}

const Container& buried_container() {
  static const Container buried;
  return buried;
}

}  // namespace needle
