// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Which functions and tracepoints the kernel has, and the types that a tool needs. libbpf answers that too,
// but looks through all 130,000 types of the kernel for each name: half of a tool's start. This does so once for many names.
#pragma once

#include <linux/btf.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

struct btf;  // libbpf's

namespace needle {

class KernelBtf {
 public:
  // `path`: a file of raw BTF (include/uapi/linux/btf.h). Throws Error, as does all else here if there is something wrong with its types.
  explicit KernelBtf(const char* path = "/sys/kernel/btf/vmlinux");
  ~KernelBtf();
  KernelBtf(const KernelBtf&) = delete;
  KernelBtf& operator=(const KernelBtf&) = delete;

  // The id of a function, for attach_btf_id; 0: there is none of this name.
  unsigned function(std::string_view name) const { return find(name, BTF_KIND_FUNC); }
  unsigned structure(std::string_view name) const { return find(name, BTF_KIND_STRUCT); }
  // The same for a tracepoint, `name` as in tp_btf/NAME.
  unsigned tracepoint(std::string_view name) const { return find(of_tracepoint(name), BTF_KIND_TYPEDEF); }
  // What a tracepoint is known by: a type of this name.
  static std::string of_tracepoint(std::string_view name) { return "btf_trace_" + std::string(name); }

  // BTF of only those structs, unions, enums and typedefs that `program` has too, flavours (NAME___x) as NAME, and of
  // what they hold; other pointers lead to void. With ids of their own. Bytes as in a file. For CO-RE, which needs nothing else.
  // `others`: names that will be asked for, which are looked for at the same time.
  std::string for_program(const btf* program, const std::vector<std::string>& others = {}) const;

 private:
  using Names = std::unordered_set<std::string_view>;
  const btf_type* type(unsigned id) const { return reinterpret_cast<const btf_type*>(raw_.data() + types_[id]); }
  const char* name_of(const btf_type* t) const { return &strings_[t->name_off]; }
  void unmap();
  std::vector<unsigned> named(const Names& names) const;
  void remember(const std::vector<std::string>& names, const std::vector<unsigned>& ids) const;
  unsigned find(std::string_view name, unsigned kind) const;

  std::span<const std::byte> raw_;
  std::vector<std::byte> read_;      // what raw_ views if it is not mapped
  std::size_t begin_ = 0, end_ = 0;  // of the types in it
  std::string_view strings_;
  mutable std::vector<std::uint32_t> types_;  // by id: where each is in raw_. Empty until the first question
  mutable std::map<std::pair<std::string, unsigned>, unsigned> found_;  // by name and kind: ids that were looked for
};

}  // namespace needle
