// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "kernel_btf.h"

#include "error.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

namespace needle {
namespace {

// How many bytes follow a struct btf_type.
std::size_t tail_size(unsigned kind, unsigned vlen) {
  switch (kind) {
    case BTF_KIND_INT:
    case BTF_KIND_VAR:
    case BTF_KIND_DECL_TAG: return 4;
    case BTF_KIND_ARRAY: return sizeof(btf_array);
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION: return vlen * sizeof(btf_member);
    case BTF_KIND_ENUM: return vlen * sizeof(btf_enum);
    case BTF_KIND_ENUM64: return vlen * sizeof(btf_enum64);
    case BTF_KIND_FUNC_PROTO: return vlen * sizeof(btf_param);
    case BTF_KIND_DATASEC: return vlen * sizeof(btf_var_secinfo);
    default: return 0;
  }
}

std::uint64_t head_of(std::string_view name) {
  std::uint64_t head = 0;
  std::memcpy(&head, name.data(), std::min(name.size(), sizeof head));
  return head;
}

}  // namespace

// Mapped where the kernel allows it (6.16), else read, a page a call.
KernelBtf::KernelBtf(const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw Error(std::string(path) + ": " + strerror(errno));
  struct stat st{};
  fstat(fd, &st);
  const std::size_t size = static_cast<std::size_t>(st.st_size);
  if (void* map = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0); map != MAP_FAILED) {
    raw_ = {static_cast<const std::byte*>(map), size};
  } else {
    read_.resize(size);
    std::size_t at = 0;
    for (ssize_t n; at < size && (n = read(fd, read_.data() + at, size - at)) > 0;) at += static_cast<std::size_t>(n);
    raw_ = {read_.data(), at};
  }
  close(fd);
  if (!index()) {
    unmap();
    throw Error(std::string(path) + " is not BTF");
  }
}

KernelBtf::~KernelBtf() { unmap(); }

void KernelBtf::unmap() {
  if (read_.empty()) munmap(const_cast<std::byte*>(raw_.data()), raw_.size());
}

bool KernelBtf::index() {
  btf_header h{};
  if (raw_.size() >= sizeof h) std::memcpy(&h, raw_.data(), sizeof h);
  const std::size_t types = std::size_t{h.hdr_len} + h.type_off, strings = std::size_t{h.hdr_len} + h.str_off;
  if (h.magic != BTF_MAGIC || types + h.type_len > raw_.size() || strings + h.str_len > raw_.size() || h.str_len == 0 ||
      raw_[strings + h.str_len - 1] != std::byte{})
    return false;
  strings_ = reinterpret_cast<const char*>(raw_.data() + strings);
  names_.reserve(1 << 17);
  std::uint32_t id = 0;
  for (std::size_t at = types, end = types + h.type_len; at + sizeof(btf_type) <= end;) {
    btf_type t;
    std::memcpy(&t, raw_.data() + at, sizeof t);
    const unsigned kind = BTF_INFO_KIND(t.info);
    id++;
    if ((kind == BTF_KIND_FUNC || kind == BTF_KIND_TYPEDEF) && t.name_off < h.str_len)
      names_.push_back({head_of(strings_ + t.name_off), t.name_off, id, kind});
    at += sizeof t + tail_size(kind, BTF_INFO_VLEN(t.info));
  }
  return true;
}

unsigned KernelBtf::find(std::string_view name, unsigned kind) const {
  const std::uint64_t head = head_of(name);
  for (const Name& n : names_)
    if (n.head == head && n.kind == kind && name == strings_ + n.offset) return n.id;
  return 0;
}

bool KernelBtf::has_tracepoint(std::string_view name) const {
  return find("btf_trace_" + std::string(name), BTF_KIND_TYPEDEF) != 0;
}

}  // namespace needle
