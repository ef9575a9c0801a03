// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Users as /etc/passwd and /etc/group have them. The other services of nsswitch.conf(5) are not asked:
// they may be slow, take part in what is traced, and are libraries that the traced system names.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace needle {

struct User {
  uid_t uid;
  gid_t gid;
  std::string name;
};

// In the order of the file, until `stop` returns true. A missing file has none.
void each_user(const std::function<bool(const User&)>& stop);

// The first that has the name, or if it is a number the id.
std::optional<User> find_user(const std::string& name_or_id);

// By /etc/passwd, looked at again when it has changed. Empty: it has no name. Valid until the next call.
std::string_view user_name(uid_t);

// `user`'s own group, and those that name it as a member.
std::vector<gid_t> groups_of(const User& user);

}  // namespace needle
