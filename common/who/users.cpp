// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "who/users.h"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <cstdio>
#include <memory>

namespace needle {
namespace {

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

}  // namespace needle
