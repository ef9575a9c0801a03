// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// --container, --exclude-container, --host: whether what happens in a container is wanted.
#pragma once

#include "who/container.h"

#include <string>
#include <vector>

namespace needle {

struct ContainerFilter {
  // Names, ids or beginnings of ids, pod/NAME, ns/NAMESPACE; names may be patterns of fnmatch(3). Of each list that is given one
  // must match.
  std::vector<std::string> wanted, unwanted;
  bool host = false;  // wanted is what is in no container; with `wanted`, either
  std::vector<std::string> pods{}, namespaces{};  // asked for like `wanted`

  enum class Verdict { wanted, not_yet, unwanted };  // not_yet: its names are not known
  // Null: in no container. `claims`: the ids of cgroups inside it. What those say, or a name that its user may have chosen,
  // or that is not known, can make it wanted, but never unwanted.
  Verdict of(const Container*, const std::vector<std::string>& claims) const;

  // Those asked for that no process is in now, and how many containers there are whose names are not known.
  struct Absent {
    std::vector<std::string> names;
    std::size_t unnamed = 0;
  };
  Absent absent() const;
};

// What --container may be given now: names, or else ids; pod/NAME, ns/NAMESPACE.
std::vector<std::string> running_containers();

// Throws BadUsage if it can match nothing.
void check_container_name(std::string_view option, const std::string&);

}  // namespace needle
