// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/ring.h"

#include "error.h"

#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

namespace needle {
namespace {

std::size_t page() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

}  // namespace

// Layout and protocol: "BPF ring buffer" in the kernel's Documentation/bpf/ringbuf.rst, kernel/bpf/ringbuf.c.
Ring::Ring(int fd, std::size_t size) : size_(size) {
  void* const consumer = mmap(nullptr, page(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (consumer == MAP_FAILED) throw Error(std::string("cannot map the ring buffer: ") + std::strerror(errno));
  void* const producer = mmap(nullptr, page() + size, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(page()));
  if (producer == MAP_FAILED) {
    const int error = errno;
    munmap(consumer, page());
    throw Error(std::string("cannot map the ring buffer: ") + std::strerror(error));
  }
  consumer_ = static_cast<std::uint64_t*>(consumer);
  producer_ = static_cast<std::uint64_t*>(producer);
  data_ = static_cast<std::byte*>(producer) + page();
}

Ring::~Ring() {
  munmap(consumer_, page());
  munmap(producer_, page() + size_);
}

std::size_t Ring::Header::whole() const { return (bytes + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8; }

Ring::Header Ring::header(std::uint64_t at) const {
  const std::uint32_t length =
      std::atomic_ref(*reinterpret_cast<std::uint32_t*>(data_ + at % size_)).load(std::memory_order_acquire);
  return {.bytes = length & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT),
          .busy = (length & BPF_RINGBUF_BUSY_BIT) != 0,
          .discarded = (length & BPF_RINGBUF_DISCARD_BIT) != 0};
}

// The data of the record whose header is at `at`, in one piece.
void* Ring::record(std::uint64_t at, std::size_t bytes) {
  std::byte* const data = data_ + at % size_ + BPF_RINGBUF_HDR_SZ;
  const std::size_t to_end = size_ - at % size_ - BPF_RINGBUF_HDR_SZ;
  if (bytes <= to_end) return data;
  joined_.assign(data, data + to_end);
  joined_.insert(joined_.end(), data_, data_ + (bytes - to_end));
  return joined_.data();
}

bool Ring::empty() const {
  return std::atomic_ref(*consumer_).load(std::memory_order_relaxed) ==
         std::atomic_ref(*producer_).load(std::memory_order_acquire);
}

std::uint64_t Ring::abandon(const std::function<bool(const void* data, std::size_t size)>& counts) {
  const std::uint64_t end = std::atomic_ref(*producer_).load(std::memory_order_acquire);
  std::uint64_t at = std::atomic_ref(*consumer_).load(std::memory_order_relaxed), count = 0;
  while (at < end) {
    const Header h = header(at);
    count += h.busy || (!h.discarded && counts(record(at, h.bytes), h.bytes));
    at += h.whole();
  }
  std::atomic_ref(*consumer_).store(at, std::memory_order_release);
  return count;
}

int Ring::consume(const std::function<int(void* data, std::size_t size)>& receive) {
  // The programs look at the consumer's position each time: it is told every now and then, lest the CPUs fight for its cache line.
  const std::size_t tell_after = size_ / 64;
  const std::atomic_ref told(*consumer_);
  const std::atomic_ref<std::uint64_t> end(*producer_);
  std::uint64_t at = told.load(std::memory_order_relaxed), told_at = at;
  int result = 0;
  while (result >= 0 && at < end.load(std::memory_order_acquire)) {
    const Header h = header(at);
    if (h.busy) break;  // it is being written
    if (!h.discarded) result = receive(record(at, h.bytes), h.bytes);
    at += h.whole();
    if (at - told_at >= tell_after) told.store(told_at = at, std::memory_order_release);
  }
  if (at != told_at) told.store(at, std::memory_order_release);
  return std::min(result, 0);
}

}  // namespace needle
