// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "load/map_entries.h"

#include "error.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

namespace needle {

void MapEntries::add(bpf_map* map, std::span<const std::byte> key, __u8 value) {
  entries_.push_back({map, {key.begin(), key.end()}, {std::byte{value}}});
}

std::byte* MapEntries::value(bpf_map* map, std::span<const std::byte> key, std::size_t size) {
  auto at = std::ranges::find_if(entries_, [&](const Entry& e) { return e.map == map && std::ranges::equal(e.key, key); });
  if (at == entries_.end()) at = entries_.insert(at, {map, {key.begin(), key.end()}, std::vector<std::byte>(size)});
  return at->value.data();
}

void MapEntries::size_maps() const {
  std::map<bpf_map*, __u32> sizes;
  for (const Entry& e : entries_) sizes[e.map]++;
  for (const auto& [map, size] : sizes)
    if (const int e = bpf_map__set_max_entries(map, size))
      throw Error(fmt::format("cannot size the map {}: {}", bpf_map__name(map), std::strerror(-e)));
}

void MapEntries::fill_maps() const {
  for (const Entry& e : entries_)
    if (bpf_map_update_elem(bpf_map__fd(e.map), e.key.data(), e.value.data(), BPF_ANY))
      throw Error(fmt::format("cannot fill the map {}: {}", bpf_map__name(e.map), std::strerror(errno)));
}

}  // namespace needle
