// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "load/pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace needle {

void forget_pages(const void* bytes, std::size_t size) {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE)), at = reinterpret_cast<std::uintptr_t>(bytes);
  const std::uintptr_t from = (at + page - 1) / page * page, to = (at + size) / page * page;  // only whole ones are its own
  if (from < to) madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
}

}  // namespace needle
