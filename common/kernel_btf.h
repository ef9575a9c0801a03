// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Which functions and tracepoints the kernel has. libbpf answers that too, but parses all of the kernel's
// BTF first (it does so once more to load programs), and looks through 130,000 types for each name:
// a quarter of a tool's start.
#pragma once

#include <linux/btf.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace needle {

class KernelBtf {
 public:
  // `path`: a file of raw BTF (include/uapi/linux/btf.h). Throws Error.
  explicit KernelBtf(const char* path = "/sys/kernel/btf/vmlinux");
  ~KernelBtf();
  KernelBtf(const KernelBtf&) = delete;
  KernelBtf& operator=(const KernelBtf&) = delete;

  // The id of a function, for attach_btf_id; 0: there is none of this name.
  unsigned function(std::string_view name) const { return find(name, BTF_KIND_FUNC); }
  // `name` as in tp_btf/NAME.
  bool has_tracepoint(std::string_view name) const;

 private:
  struct Name {
    std::uint64_t head;  // the first 8 bytes, for a quick look
    std::uint32_t offset, id, kind;
  };
  bool index();
  void unmap();
  unsigned find(std::string_view name, unsigned kind) const;

  std::span<const std::byte> raw_;
  std::vector<std::byte> read_;  // what raw_ views if it is not mapped
  const char* strings_ = nullptr;
  std::vector<Name> names_;
};

}  // namespace needle
