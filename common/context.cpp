// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "context.h"

#include "users.h"

#include <sys/stat.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <vector>

namespace needle {
namespace {

// Of each of two generations. More than the programs remember (see cgroups_sent).
constexpr std::size_t kPaths = 16384;

// "docker-1.scope\0system.slice\0" as "/system.slice/docker-1.scope"; the root is empty.
std::string path_of(Record r, const ev_strv& names) {
  const std::string_view all = r.str(names.s);
  std::string path;
  for (std::string_view rest = all.substr(0, all.empty() ? 0 : all.size() - 1); !rest.empty();) {
    const std::size_t before = rest.rfind('\0');
    path += '/';
    path += rest.substr(before == rest.npos ? 0 : before + 1);
    rest = rest.substr(0, before == rest.npos ? 0 : before);
  }
  return path;
}

constexpr std::size_t kUsers = 65536;

// /etc/passwd, read again when it has changed, which is looked for once a second.
class Users {
 public:
  std::string_view name(unsigned uid) {
    if (const auto now = std::chrono::steady_clock::now(); now - looked_ > std::chrono::seconds(1)) {
      looked_ = now;
      refresh();
    }
    const auto found = names_.find(uid);
    return found == names_.end() ? std::string_view{} : std::string_view(found->second);
  }

 private:
  void refresh() {
    struct stat st{};
    if (stat("/etc/passwd", &st) != 0 || (st.st_mtim.tv_sec == changed_.tv_sec && st.st_mtim.tv_nsec == changed_.tv_nsec &&
                                           st.st_ino == inode_)) return;
    changed_ = st.st_mtim;
    inode_ = st.st_ino;
    names_.clear();
    each_user([&](const User& user) {
      names_.emplace(user.uid, user.name);  // of two names the first
      return names_.size() == kUsers;
    });
  }

  std::unordered_map<unsigned, std::string> names_;
  std::chrono::steady_clock::time_point looked_{};
  timespec changed_{};
  ino_t inode_ = 0;
};

}  // namespace

std::string_view user_name(ev_uid uid) {
  static Users users;
  return Format<ev_uid>::none(uid) || Format<ev_uid>::unknown(uid) ? std::string_view{} : users.name(static_cast<unsigned>(uid));
}

const Container& unknown_container() {
  static const Container unknown;
  return unknown;
}

void Cgroups::learn(Record r) {
  if (r.bytes.size() < sizeof(cgroups_record)) return;
  const auto& told = r.as<cgroups_record>();
  if (young_.size() >= kPaths) {
    old_ = std::move(young_);
    young_.clear();
  }
  young_[told.cgroups] = {path_of(r, told.v1), path_of(r, told.unified)};
  container(told.cgroups);  // now: what the runtime has written may be gone with the container when the line is made
}

const Cgroups::Paths* Cgroups::paths(const ev_cgroups& c) {
  if (const auto found = young_.find(c); found != young_.end()) return &found->second;
  const auto found = old_.find(c);
  if (found == old_.end()) return nullptr;
  return &(young_[c] = std::move(found->second));
}

const Container* Cgroups::container(const ev_cgroups& c) {
  const Paths* p = paths(c);
  if (!p) return &unknown_container();
  // A runtime makes a cgroup of each controller, but not always one of v2.
  for (const std::string* path : {&p->v1, &p->unified})
    if (!path->empty())
      if (const Container* found = containers_.of(*path)) return found;
  return nullptr;
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
