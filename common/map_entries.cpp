// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tool.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <map>

namespace needle {

prefix prefix_of(std::string_view path) {
  if (path.empty() || path.size() > PREFIX_BYTES)
    throw BadUsage(fmt::format("--path: a prefix of {} bytes; give 1 to {}", path.size(), PREFIX_BYTES));
  prefix key{};
  key.bits = static_cast<__u32>(path.size() * 8);
  path.copy(key.bytes, path.size());
  return key;
}

void keep_common(const prefix& prefix, bool first, __u64& bytes, __u64& mask) {
  __u64 own = 0;
  std::memcpy(&own, prefix.bytes, sizeof own);
  const unsigned same = first ? std::min(prefix.bits, 64u) / 8 : std::countr_zero((own ^ bytes) | ~mask) / 8;
  mask = same == 8 ? ~0ull : (1ull << same * 8) - 1;
  bytes = own & mask;
}

void MapEntries::add(bpf_map* map, std::span<const std::byte> key) {
  entries_.push_back({map, {key.begin(), key.end()}});
}

void MapEntries::size_maps() const {
  std::map<bpf_map*, __u32> sizes;
  for (const Entry& e : entries_) sizes[e.map]++;
  for (const auto& [map, size] : sizes)
    if (const int e = bpf_map__set_max_entries(map, size))
      throw Error(fmt::format("cannot size the map {}: {}", bpf_map__name(map), std::strerror(-e)));
}

void MapEntries::fill_maps() const {
  const __u8 present = 1;
  for (const Entry& e : entries_)
    if (bpf_map_update_elem(bpf_map__fd(e.map), e.key.data(), &present, BPF_ANY))
      throw Error(fmt::format("cannot fill the map {}: {}", bpf_map__name(e.map), std::strerror(errno)));
}

}  // namespace needle
