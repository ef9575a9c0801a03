// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <linux/types.h>

#include <cstddef>
#include <span>
#include <vector>

struct bpf_map;  // libbpf's

namespace needle {

// Entries for a map of the BPF object, to be put there after it is loaded.
class MapEntries {
 public:
  // The value for that index of an array, to be filled: zeroes at first. Good until the next call.
  template <class V> V& value(bpf_map* map, __u32 index) {
    return *reinterpret_cast<V*>(value(map, std::as_bytes(std::span(&index, 1)), sizeof(V)));
  }
  // `key` is as long as the map's keys; the value is one byte.
  void add(bpf_map* map, std::span<const std::byte> key, __u8 value);
  template <class K> void add(bpf_map* map, const K& key, __u8 value = 1) { add(map, std::as_bytes(std::span(&key, 1)), value); }
  void size_maps() const;  // before load: throws Error
  void fill_maps() const;  // after load: throws Error

 private:
  struct Entry {
    bpf_map* map;
    std::vector<std::byte> key, value;
  };
  std::byte* value(bpf_map* map, std::span<const std::byte> key, std::size_t size);

  std::vector<Entry> entries_;
};

}  // namespace needle
