// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "load/kernel_btf.h"

#include "error.h"

#include <bpf/btf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <cerrno>
#include <cstring>

namespace needle {
namespace {

// How many bytes a type of each kind takes beyond a btf_type, and each of the things that it lists; and whether these have
// names: members, values, parameters.
struct Size {
  std::uint8_t more, item;
  bool named;
};
constexpr auto kSizes = [] {
  std::array<Size, 32> sizes{};
  sizes[BTF_KIND_INT] = sizes[BTF_KIND_VAR] = sizes[BTF_KIND_DECL_TAG] = {4, 0, false};
  sizes[BTF_KIND_ARRAY] = {sizeof(struct btf_array), 0, false};
  sizes[BTF_KIND_DATASEC] = {0, sizeof(btf_var_secinfo), false};
  sizes[BTF_KIND_STRUCT] = sizes[BTF_KIND_UNION] = {0, sizeof(btf_member), true};
  sizes[BTF_KIND_ENUM] = {0, sizeof(struct btf_enum), true};
  sizes[BTF_KIND_ENUM64] = {0, sizeof(struct btf_enum64), true};
  sizes[BTF_KIND_FUNC_PROTO] = {0, sizeof(btf_param), true};
  return sizes;
}();

std::size_t size_of_named_item(const btf_type& t) {
  const Size& size = kSizes[btf_kind(&t)];
  return size.named ? size.item : 0;
}

std::size_t size_of(const btf_type& t) {
  const Size& size = kSizes[btf_kind(&t)];
  return sizeof t + size.more + std::size_t{btf_vlen(&t)} * size.item;
}

bool is_core_type(const btf_type* t) { return btf_is_composite(t) || btf_is_any_enum(t) || btf_is_typedef(t); }

// Whether its `type` is an id, and not a size.
bool refers_to_type(const btf_type* t) { return btf_is_mod(t) || btf_is_ptr(t) || btf_is_typedef(t) || btf_is_func_proto(t); }

// A name without its flavour.
std::string_view essential(std::string_view name) { return name.substr(0, name.find("___")); }

// A number for the first four bytes of a name, NUL included: for a quick look.
class FirstBytes {
 public:
  static constexpr std::size_t kNumbers = 1u << 12;
  explicit FirstBytes(std::string_view strings) : strings_(strings) {}

  std::size_t of(const char* name) const {
    std::uint32_t word = 0;
    if (const auto room = static_cast<std::size_t>(strings_.data() + strings_.size() - name); room >= sizeof word)
      std::memcpy(&word, name, sizeof word);  // a load, where a size that is not known were a call
    else std::memcpy(&word, name, room);
    if (const std::uint32_t nul = (word - 0x01010101u) & ~word & 0x80808080u; nul != 0)
      word &= ((nul & -nul) >> 7) - 1;  // nothing behind it
    return (word * 0x9e3779b1u) >> 20;
  }

 private:
  std::string_view strings_;  // which `name` is in
};

}  // namespace

// Mapped where the kernel allows it (6.16), else read, a page a call.
KernelBtf::KernelBtf(const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw Error(std::string(path) + ": " + strerror(errno));
  struct stat st {};
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
  btf_header h{};
  if (raw_.size() >= sizeof h) std::memcpy(&h, raw_.data(), sizeof h);
  begin_ = std::size_t{h.hdr_len} + h.type_off, end_ = begin_ + h.type_len;
  const std::size_t strings = std::size_t{h.hdr_len} + h.str_off;
  if (h.magic != BTF_MAGIC || begin_ % alignof(btf_type) != 0 || end_ > raw_.size() || strings + h.str_len > raw_.size() ||
      h.str_len == 0 || raw_[strings + h.str_len - 1] != std::byte{}) {
    unmap();
    throw Error(std::string(path) + " is not BTF");
  }
  strings_ = {reinterpret_cast<const char*>(raw_.data() + strings), h.str_len};
}

KernelBtf::~KernelBtf() { unmap(); }

void KernelBtf::unmap() {
  if (read_.empty()) munmap(const_cast<std::byte*>(raw_.data()), raw_.size());
}

// The ids of functions, structs, unions, enums and typedefs whose names, without a flavour, are among these.
std::vector<unsigned> KernelBtf::named(const Names& names) const {
  const FirstBytes first(strings_);
  std::bitset<FirstBytes::kNumbers> wanted;
  for (const std::string_view name : names) {
    char bytes[sizeof(std::uint32_t)] = {};
    name.copy(bytes, sizeof bytes);
    wanted.set(FirstBytes({bytes, sizeof bytes}).of(bytes));
  }
  std::vector<unsigned> ids;
  const auto look_at = [&](unsigned id, const btf_type* t) {
    if (t->name_off == 0 || t->name_off >= strings_.size() || !(is_core_type(t) || btf_is_func(t))) return;
    const char* name = name_of(t);
    if (wanted[first.of(name)] && names.contains(essential(name))) ids.push_back(id);
  };
  if (!types_.empty()) {
    for (unsigned id = 1; id < types_.size(); id++) look_at(id, type(id));
    return ids;
  }
  types_.reserve((end_ - begin_) / sizeof(btf_type));
  types_.push_back(0);  // void
  for (std::size_t at = begin_; at < end_;) {
    const auto* t = reinterpret_cast<const btf_type*>(raw_.data() + at);
    if (at + sizeof *t > end_ || at + size_of(*t) > end_) throw Error("the kernel's type information (BTF) makes no sense");
    look_at(static_cast<unsigned>(types_.size()), t);
    types_.push_back(static_cast<std::uint32_t>(at));
    at += size_of(*t);
  }
  return ids;
}

// Of `names`, which are what they are, and which nothing is.
void KernelBtf::remember(const std::vector<std::string>& names, const std::vector<unsigned>& ids) const {
  static constexpr unsigned kKinds[] = {BTF_KIND_FUNC, BTF_KIND_STRUCT, BTF_KIND_TYPEDEF};
  for (const std::string& name : names)
    for (const unsigned kind : kKinds) found_.try_emplace({name, kind}, 0);
  for (const unsigned id : ids)
    if (const auto known = found_.find({name_of(type(id)), btf_kind(type(id))}); known != found_.end() && known->second == 0)
      known->second = id;
}

unsigned KernelBtf::find(std::string_view name, unsigned kind) const {
  const std::pair key{std::string(name), kind};
  if (!found_.contains(key)) remember({key.first}, named({name}));
  return found_.at(key);
}

std::string KernelBtf::for_program(const btf* program, const std::vector<std::string>& others) const {
  Names names;
  for (unsigned id = 1; id < btf__type_cnt(program); id++)
    if (const btf_type* t = btf__type_by_id(program, id); is_core_type(t) && t->name_off != 0)
      names.insert(essential(btf__name_by_offset(program, t->name_off)));
  const Names of_types = names;
  names.insert(others.begin(), others.end());
  const std::vector<unsigned> named_ids = named(names);
  remember(others, named_ids);

  std::vector<bool> needed(types_.size());
  std::vector<unsigned> all, open;  // that are needed; and of which what they hold was not looked at
  const auto need = [&](unsigned id) {
    if (id == 0 || id >= needed.size() || needed[id]) return;
    needed[id] = true;
    all.push_back(id), open.push_back(id);
  };
  for (const unsigned id : named_ids)
    if (is_core_type(type(id)) && of_types.contains(essential(name_of(type(id))))) need(id);
  const auto pointee = [&](unsigned id) { return id != 0 && id < types_.size() && btf_is_ptr(type(id)) ? type(id)->type : 0; };
  while (!open.empty()) {
    const btf_type* t = type(open.back());
    open.pop_back();
    if (btf_is_composite(t))
      for (unsigned i = 0; i < btf_vlen(t); i++) need(btf_members(t)[i].type);
    else if (btf_is_array(t)) need(btf_array(t)->type), need(btf_array(t)->index_type);
    else if (btf_is_mod(t) || btf_is_type_tag(t)) need(t->type);
    else if (btf_is_typedef(t)) {
      need(t->type);
      if (const unsigned id = pointee(t->type); id != 0 && id < types_.size() && btf_is_func_proto(type(id))) need(id);
    } else if (btf_is_func_proto(t))  // its parameters are compared with what they point to
      for (unsigned i = 0; i < btf_vlen(t); i++) need(btf_params(t)[i].type), need(pointee(btf_params(t)[i].type));
  }

  std::ranges::sort(all);
  std::vector<std::uint32_t> ids(types_.size());  // of those that are needed; 0, which is void, for others
  std::uint32_t last = 0;
  for (const unsigned id : all) ids[id] = ++last;

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
  for (const unsigned id : all) {
    const btf_type& t = *type(id);
    const std::size_t at = types.size(), items = at + sizeof t;
    types.append(reinterpret_cast<const char*>(&t), size_of(t));
    change(at + offsetof(btf_type, name_off), new_name);
    if (refers_to_type(&t)) change(at + offsetof(btf_type, type), new_id);
    for (std::size_t item = items; size_of_named_item(t) > 0 && item < types.size(); item += size_of_named_item(t)) {
      change(item, new_name);
      if (btf_is_composite(&t)) change(item + offsetof(btf_member, type), new_id);
      if (btf_is_func_proto(&t)) change(item + offsetof(btf_param, type), new_id);
    }
    if (btf_is_array(&t))
      for (const std::size_t field : {offsetof(struct btf_array, type), offsetof(struct btf_array, index_type)})
        change(items + field, new_id);
  }
  const btf_header h{.magic = BTF_MAGIC,
                     .version = 1,
                     .flags = 0,
                     .hdr_len = sizeof h,
                     .type_off = 0,
                     .type_len = static_cast<__u32>(types.size()),
                     .str_off = static_cast<__u32>(types.size()),
                     .str_len = static_cast<__u32>(strings.size())};
  std::string bytes;
  bytes.reserve(sizeof h + types.size() + strings.size());
  bytes.append(reinterpret_cast<const char*>(&h), sizeof h);
  return bytes.append(types).append(strings);
}

}  // namespace needle
