// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The reader's end of the BPF ring buffer. Not libbpf's, which maps all of it twice, one behind the other, so that no record is ever
// in two pieces: half of what these tools would have in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace needle {

class Ring {
 public:
  // `fd`: of a BPF_MAP_TYPE_RINGBUF, borrowed; `size`: of its data, in bytes. Throws Error.
  Ring(int fd, std::size_t size);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Hands over each record that is there; its memory is valid until `receive` returns. A negative result ends it, behind that
  // record. Returns that, or 0. What is still being written, and what lies behind that, stays.
  int consume(const std::function<int(void* data, std::size_t size)>& receive);
  // Whether there is nothing, not even a record that is still being written.
  bool empty() const;
  // Takes all that is there, and returns how many records `counts` says yes to; those that are still being written count.
  std::uint64_t abandon(const std::function<bool(const void* data, std::size_t size)>& counts);

 private:
  struct Header {  // of a record
    std::size_t bytes;
    bool busy, discarded;
    std::size_t whole() const;  // with this header, and up to the next
  };
  Header header(std::uint64_t at) const;
  void* record(std::uint64_t at, std::size_t bytes);

  std::size_t size_;
  std::uint64_t* consumer_;  // how far it has been read, in bytes since the beginning: a page that only this side writes
  std::uint64_t* producer_;  // how far it has been written; a page, and then the data
  std::byte* data_;
  std::vector<std::byte> joined_;  // a record that lies at the end and at the beginning
};

}  // namespace needle
