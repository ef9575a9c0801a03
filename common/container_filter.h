// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// --container, --exclude-container, --host: whether what happens in a container is wanted.
#pragma once

#include "container.h"

#include <string>
#include <vector>

namespace needle {

struct ContainerFilter {
  // Names, ids or beginnings of ids, pod/NAME, ns/NAMESPACE.
  std::vector<std::string> wanted, unwanted;
  bool host = false;  // wanted is what is in no container; with `wanted`, either

  enum class Verdict { wanted, not_yet, unwanted };  // not_yet: its names are not known
  Verdict of(const Container*) const;  // null: in no container

  // Those of `wanted` that no process is in now.
  std::vector<std::string> absent() const;
};

// Throws BadUsage if it can match nothing.
void check_container_name(std::string_view option, const std::string&);

}  // namespace needle
