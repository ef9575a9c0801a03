// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "kernel_btf.h"

#include "error.h"

#include <bpf/btf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unordered_set>

namespace needle {
namespace {

// Of the things with a name that a type lists: members, values, parameters. 0: it lists none.
std::size_t size_of_item(const btf_type& t) {
  switch (btf_kind(&t)) {
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION: return sizeof(btf_member);
    case BTF_KIND_ENUM: return sizeof(struct btf_enum);
    case BTF_KIND_ENUM64: return sizeof(struct btf_enum64);
    case BTF_KIND_FUNC_PROTO: return sizeof(btf_param);
    default: return 0;
  }
}

// How many bytes a type takes.
std::size_t size_of(const btf_type& t) {
  switch (btf_kind(&t)) {
    case BTF_KIND_INT:
    case BTF_KIND_VAR:
    case BTF_KIND_DECL_TAG: return sizeof t + 4;
    case BTF_KIND_ARRAY: return sizeof t + sizeof(struct btf_array);
    case BTF_KIND_DATASEC: return sizeof t + btf_vlen(&t) * sizeof(btf_var_secinfo);
    default: return sizeof t + btf_vlen(&t) * size_of_item(t);
  }
}

bool is_found_by_name(const btf_type* t) { return btf_is_composite(t) || btf_is_any_enum(t) || btf_is_typedef(t); }

// Whether its `type` is an id, and not a size.
bool refers_to_type(const btf_type* t) {
  return btf_is_mod(t) || btf_is_ptr(t) || btf_is_typedef(t) || btf_is_func_proto(t);
}

// A name without its flavour.
std::string_view essential(std::string_view name) { return name.substr(0, name.find("___")); }

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
  if (h.magic != BTF_MAGIC || types % alignof(btf_type) != 0 || types + h.type_len > raw_.size() || strings + h.str_len > raw_.size() ||
      h.str_len == 0 || raw_[strings + h.str_len - 1] != std::byte{})
    return false;
  strings_ = {reinterpret_cast<const char*>(raw_.data() + strings), h.str_len};
  names_.reserve(1 << 17);
  types_.reserve(1 << 17);
  types_.push_back(nullptr);  // void
  for (std::size_t at = types, end = types + h.type_len; at < end;) {
    const auto* t = reinterpret_cast<const btf_type*>(raw_.data() + at);
    if (at + sizeof *t > end || at + size_of(*t) > end) return false;
    const unsigned kind = btf_kind(t);
    if ((kind == BTF_KIND_FUNC || kind == BTF_KIND_TYPEDEF || kind == BTF_KIND_STRUCT) && t->name_off < strings_.size())
      names_.push_back({head_of(&strings_[t->name_off]), t->name_off, static_cast<std::uint32_t>(types_.size()), kind});
    types_.push_back(t);
    at += size_of(*t);
  }
  return true;
}

std::string KernelBtf::for_program(const btf* program) const {
  std::unordered_set<std::string_view> names;
  for (unsigned id = 1; id < btf__type_cnt(program); id++)
    if (const btf_type* t = btf__type_by_id(program, id); is_found_by_name(t) && t->name_off != 0)
      names.insert(essential(btf__name_by_offset(program, t->name_off)));

  std::vector<bool> needed(types_.size());
  std::vector<unsigned> open;  // needed, and what they hold not looked at
  const auto need = [&](unsigned id) {
    if (id == 0 || id >= needed.size() || needed[id]) return;
    needed[id] = true;
    open.push_back(id);
  };
  for (unsigned id = 1; id < types_.size(); id++)
    if (const btf_type* t = types_[id]; is_found_by_name(t) && t->name_off != 0 && t->name_off < strings_.size() &&
                                        names.contains(essential(&strings_[t->name_off])))
      need(id);
  const auto pointee = [&](unsigned id) { return id != 0 && id < types_.size() && btf_is_ptr(types_[id]) ? types_[id]->type : 0; };
  while (!open.empty()) {
    const btf_type* t = types_[open.back()];
    open.pop_back();
    if (btf_is_composite(t))
      for (unsigned i = 0; i < btf_vlen(t); i++) need(btf_members(t)[i].type);
    else if (btf_is_array(t))
      need(btf_array(t)->type), need(btf_array(t)->index_type);
    else if (btf_is_mod(t) || btf_is_type_tag(t))
      need(t->type);
    else if (btf_is_typedef(t)) {
      need(t->type);
      if (const unsigned id = pointee(t->type); id != 0 && id < types_.size() && btf_is_func_proto(types_[id])) need(id);
    } else if (btf_is_func_proto(t))  // its parameters are compared with what they point to
      for (unsigned i = 0; i < btf_vlen(t); i++) need(btf_params(t)[i].type), need(pointee(btf_params(t)[i].type));
  }

  std::vector<std::uint32_t> ids(types_.size());  // of those that are needed; 0, which is void, for others
  std::uint32_t last = 0;
  for (unsigned id = 1; id < types_.size(); id++)
    if (needed[id]) ids[id] = ++last;

  std::string types, strings(1, '\0');
  const auto change = [&](std::size_t where, auto f) {
    std::uint32_t word;
    std::memcpy(&word, &types[where], sizeof word);
    word = f(word);
    std::memcpy(&types[where], &word, sizeof word);
  };
  const auto new_id = [&](std::uint32_t id) { return id < ids.size() ? ids[id] : 0; };
  const auto new_name = [&](std::uint32_t offset) -> std::uint32_t {
    if (offset == 0 || offset >= strings_.size()) return offset;
    const auto moved = static_cast<std::uint32_t>(strings.size());
    strings.append(&strings_[offset]).push_back('\0');
    return moved;
  };
  for (unsigned id = 1; id < types_.size(); id++) {
    if (!needed[id]) continue;
    const btf_type& t = *types_[id];
    const std::size_t at = types.size(), items = at + sizeof t;
    types.append(reinterpret_cast<const char*>(&t), size_of(t));
    change(at + offsetof(btf_type, name_off), new_name);
    if (refers_to_type(&t)) change(at + offsetof(btf_type, type), new_id);
    for (std::size_t item = items; size_of_item(t) > 0 && item < types.size(); item += size_of_item(t)) {
      change(item, new_name);
      if (btf_is_composite(&t)) change(item + offsetof(btf_member, type), new_id);
      if (btf_is_func_proto(&t)) change(item + offsetof(btf_param, type), new_id);
    }
    if (btf_is_array(&t))
      for (const std::size_t field : {offsetof(struct btf_array, type), offsetof(struct btf_array, index_type)}) change(items + field, new_id);
  }
  const btf_header h{.magic = BTF_MAGIC, .version = 1, .flags = 0, .hdr_len = sizeof h, .type_off = 0, .type_len = static_cast<__u32>(types.size()),
                     .str_off = static_cast<__u32>(types.size()), .str_len = static_cast<__u32>(strings.size())};
  std::string bytes;
  bytes.reserve(sizeof h + types.size() + strings.size());
  bytes.append(reinterpret_cast<const char*>(&h), sizeof h);
  return bytes.append(types).append(strings);
}

unsigned KernelBtf::find(std::string_view name, unsigned kind) const {
  const auto [known, fresh] = found_.try_emplace({std::string(name), kind}, 0);
  if (!fresh) return known->second;
  const std::uint64_t head = head_of(name);
  for (const Name& n : names_)
    if (n.head == head && n.kind == kind && name == &strings_[n.offset]) return known->second = n.id;
  return 0;
}

unsigned KernelBtf::tracepoint(std::string_view name) const { return find("btf_trace_" + std::string(name), BTF_KIND_TYPEDEF); }

}  // namespace needle
