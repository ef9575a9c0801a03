// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/aggregation.h"

#include "error.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

namespace needle {
namespace {

bpf_map* map_of(const bpf_object* object, const std::string& name) {
  bpf_map* const map = bpf_object__find_map_by_name(object, name.c_str());
  if (!map) throw Error(fmt::format("there is no map {}", name));
  return map;
}

}  // namespace

Aggregate::Aggregate(bpf_object* object, const std::string& name, std::chrono::milliseconds every)
    : in_use_(map_of(object, name + "_1")),
      spare_(map_of(object, name + "_2")),
      used_(bpf_map__fd(map_of(object, name))),
      every_(every),
      next_(std::chrono::steady_clock::now() + every) {}

void Aggregate::collect(const Each& each) {
  next_ = std::chrono::steady_clock::now() + every_;
  const __u32 index = 0;
  const int spare = bpf_map__fd(spare_);
  // Returns when no program runs that has found the old one.
  if (bpf_map_update_elem(used_, &index, &spare, BPF_ANY))
    throw Error(fmt::format("cannot exchange the maps of {}: {}", bpf_map__name(in_use_), std::strerror(errno)));
  std::swap(in_use_, spare_);
  const int fd = bpf_map__fd(spare_);
  std::vector<std::byte> key(bpf_map__key_size(spare_)), next(key.size()), value(bpf_map__value_size(spare_));
  bool more = bpf_map_get_next_key(fd, nullptr, key.data()) == 0;
  while (more) {
    aggregate a{};
    if (bpf_map_lookup_elem(fd, key.data(), value.data()) == 0) std::memcpy(&a, value.data(), sizeof a);
    if (a.count > 0) each(key, value);
    more = bpf_map_get_next_key(fd, key.data(), next.data()) == 0;
    bpf_map_delete_elem(fd, key.data());
    key.swap(next);
  }
}

}  // namespace needle
