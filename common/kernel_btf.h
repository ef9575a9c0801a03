// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Which functions and tracepoints the kernel has, and the types that a tool needs. libbpf answers that too,
// but looks through all 130,000 types of the kernel for each name: half of a tool's start.
#pragma once

#include <linux/btf.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct btf;  // libbpf's

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
  unsigned structure(std::string_view name) const { return find(name, BTF_KIND_STRUCT); }
  // The same for a tracepoint, `name` as in tp_btf/NAME.
  unsigned tracepoint(std::string_view name) const;
  // BTF of only those structs, unions, enums and typedefs that `program` has too, flavours (NAME___x) as NAME, and of
  // what they hold; other pointers lead to void. With ids of their own. Bytes as in a file. For CO-RE, which needs nothing else.
  std::string for_program(const btf* program) const;

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
  std::vector<const btf_type*> types_;  // by id
  std::string_view strings_;
  std::vector<Name> names_;
  mutable std::map<std::pair<std::string, unsigned>, unsigned> found_;  // by name and kind: ids that were asked for
};

}  // namespace needle
