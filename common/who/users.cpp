// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "who/users.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <unordered_map>

namespace needle {
namespace {

constexpr std::size_t kUsers = 65536;

// /etc/passwd, read again when it has changed, which is looked for once a second.
class Users {
 public:
  std::string_view name(uid_t uid) {
    if (const auto now = std::chrono::steady_clock::now(); now - looked_ > std::chrono::seconds(1)) {
      looked_ = now;
      refresh();
    }
    const auto found = names_.find(uid);
    return found == names_.end() ? std::string_view{} : std::string_view(found->second);
  }

 private:
  void refresh() {
    struct stat st {};
    if (stat("/etc/passwd", &st) != 0 ||
        (st.st_mtim.tv_sec == changed_.tv_sec && st.st_mtim.tv_nsec == changed_.tv_nsec && st.st_ino == inode_))
      return;
    changed_ = st.st_mtim;
    inode_ = st.st_ino;
    names_.clear();
    each_user([&](const User& user) {
      names_.emplace(user.uid, user.name);  // of two names the first
      return names_.size() == kUsers;
    });
  }

  std::unordered_map<uid_t, std::string> names_;
  std::chrono::steady_clock::time_point looked_{};
  timespec changed_{};
  ino_t inode_ = 0;
};

using File = std::unique_ptr<FILE, int (*)(FILE*)>;

}  // namespace

void each_user(const std::function<bool(const User&)>& stop) {
  const File file(std::fopen("/etc/passwd", "re"), std::fclose);
  while (const passwd* entry = file ? fgetpwent(file.get()) : nullptr)
    if (stop({entry->pw_uid, entry->pw_gid, entry->pw_name})) return;
}

std::optional<User> find_user(const std::string& name_or_id) {
  std::optional<User> found;
  const bool id = !name_or_id.empty() && std::ranges::all_of(name_or_id, [](char c) { return c >= '0' && c <= '9'; });
  each_user([&](const User& user) {
    if (name_or_id == (id ? std::to_string(user.uid) : user.name)) found = user;
    return found.has_value();
  });
  return found;
}

std::vector<gid_t> groups_of(const User& user) {
  std::vector<gid_t> groups{user.gid};
  const File file(std::fopen("/etc/group", "re"), std::fclose);
  while (const group* entry = file ? fgetgrent(file.get()) : nullptr)
    for (char** member = entry->gr_mem; *member; member++)
      if (user.name == *member && entry->gr_gid != user.gid) groups.push_back(entry->gr_gid);
  return groups;
}

std::string_view user_name(uid_t uid) {
  static Users users;
  return users.name(uid);
}

}  // namespace needle
