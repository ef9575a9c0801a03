// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "error.h"
#include "harness.h"
#include "load/kernel_btf.h"

#include <bpf/btf.h>

#include <memory>

using harness::TempDir;
using needle::KernelBtf;

namespace {

// BTF as libbpf writes it, with one type of every kind before the names that are looked for.
std::string some_btf() {
  btf* b = btf__new_empty();
  const int integer = btf__add_int(b, "int", 4, BTF_INT_SIGNED);
  btf__add_array(b, integer, integer, 3);
  const int record = btf__add_struct(b, "record", 8);
  btf__add_field(b, "one", integer, 0, 0);
  btf__add_field(b, "do_open", integer, 32, 0);
  btf__add_union(b, "either", 4);
  btf__add_field(b, "one", integer, 0, 0);
  btf__add_enum(b, "small", 4);
  btf__add_enum_value(b, "SMALL", 1);
  btf__add_enum64(b, "large", 8, false);
  btf__add_enum64_value(b, "LARGE", 1ull << 40);
  btf__add_fwd(b, "later", BTF_FWD_STRUCT);
  btf__add_ptr(b, btf__add_const(b, record));
  btf__add_volatile(b, btf__add_restrict(b, integer));
  btf__add_float(b, "double", 8);
  const int proto = btf__add_func_proto(b, integer);
  btf__add_func_param(b, "record", record);
  const int variable = btf__add_var(b, "do_open", BTF_VAR_GLOBAL_ALLOCATED, integer);
  btf__add_datasec(b, ".data", 4);
  btf__add_datasec_var_info(b, variable, 0, 4);
  btf__add_decl_tag(b, "tag", record, 0);
  btf__add_type_tag(b, "tag", integer);
  btf__add_func(b, "do_open_at", BTF_FUNC_STATIC, proto);
  btf__add_func(b, "do_open", BTF_FUNC_STATIC, proto);
  btf__add_typedef(b, "btf_trace_sys_exit", proto);
  __u32 size = 0;
  const void* raw = btf__raw_data(b, &size);
  std::string bytes(static_cast<const char*>(raw), size);
  btf__free(b);
  return bytes;
}

int id_of(const std::string& bytes, const char* name, __u32 kind) {
  btf* b = btf__new(bytes.data(), static_cast<__u32>(bytes.size()));
  const int id = btf__find_by_name_kind(b, name, kind);
  btf__free(b);
  return id;
}

}  // namespace

TEST_CASE("the kernel's BTF: functions and tracepoints by name, as libbpf finds them") {
  const TempDir dir;
  const std::string bytes = some_btf();
  const KernelBtf btf(dir.file("btf", bytes).c_str());
  for (const char* name : {"do_open", "do_open_at"})
    CHECK(static_cast<int>(btf.function(name)) == id_of(bytes, name, BTF_KIND_FUNC));
  for (const char* name : {"do_ope", "do_open_at2", "record", "", "btf_trace_sys_exit"}) CHECK(btf.function(name) == 0);
  CHECK(static_cast<int>(btf.structure("record")) == id_of(bytes, "record", BTF_KIND_STRUCT));
  CHECK(btf.structure("do_open") == 0);
  CHECK(btf.tracepoint("sys_exit") != 0);
  CHECK(btf.tracepoint("sys_enter") == 0);
  CHECK(btf.tracepoint("do_open") == 0);
}

TEST_CASE("the kernel's BTF: what a program needs of it") {
  const TempDir dir;
  std::unique_ptr<btf, decltype(&btf__free)> kernel(btf__new_empty(), btf__free), program(btf__new_empty(), btf__free);
  btf* k = kernel.get();
  const int integer = btf__add_int(k, "int", 4, BTF_INT_SIGNED);
  const int other = btf__add_struct(k, "other", 4);
  btf__add_field(k, "x", integer, 0, 0);
  const int pointer = btf__add_ptr(k, other);
  const int held = btf__add_struct(k, "held", 8);
  btf__add_field(k, "next", pointer, 0, 0);
  const int array = btf__add_array(k, integer, btf__add_typedef(k, "alias", btf__add_const(k, held)), 2);
  btf__add_func(k, "wanted", BTF_FUNC_STATIC, btf__add_func_proto(k, integer));
  btf__add_struct(k, "wanted", 16);
  btf__add_field(k, "all", array, 0, 0);
  const int handed = btf__add_struct(k, "handed", 8);
  const int to_handed = btf__add_ptr(k, handed), proto = btf__add_func_proto(k, 0);
  btf__add_func_param(k, "a", to_handed);
  btf__add_typedef(k, "call", btf__add_ptr(k, proto));
  btf__add_enum64(k, "values", 8, false);
  btf__add_enum64_value(k, "LARGE", 1ull << 40);
  btf__add_struct(k, "", 4);
  __u32 size = 0;
  const void* raw = btf__raw_data(k, &size);
  const KernelBtf whole(dir.file("btf", std::string(static_cast<const char*>(raw), size)).c_str());

  btf__add_struct(program.get(), "wanted___older", 4);
  btf__add_struct(program.get(), "", 4);
  btf__add_enum(program.get(), "values", 4);
  btf__add_typedef(program.get(), "call___one", 0);
  const std::string bytes = whole.for_program(program.get());
  std::unique_ptr<btf, decltype(&btf__free)> part(btf__new(bytes.data(), static_cast<__u32>(bytes.size())), btf__free);
  const btf* p = part.get();
  REQUIRE(p != nullptr);
  const auto find = [&](const char* name, __u32 kind) {
    const __s32 id = btf__find_by_name_kind(p, name, kind);
    return id > 0 ? btf__type_by_id(p, static_cast<__u32>(id)) : nullptr;
  };
  const auto type = [&](__u32 id) { return btf__type_by_id(p, id); };
  const auto name = [&](const btf_type* t) { return std::string(btf__name_by_offset(p, t->name_off)); };

  const btf_type* const one = find("wanted", BTF_KIND_STRUCT);
  REQUIRE(one != nullptr);
  CHECK(one->size == 16);
  const btf_type* const all = type(btf_members(one)->type);
  CHECK(std::string(btf__name_by_offset(p, btf_members(one)->name_off)) == "all");
  REQUIRE(btf_is_array(all));
  CHECK(btf_array(all)->nelems == 2);
  CHECK(name(type(btf_array(all)->type)) == "alias");
  CHECK(name(type(btf_array(all)->index_type)) == "int");
  const btf_type* const of_alias = type(type(btf_array(all)->type)->type);
  REQUIRE(btf_is_const(of_alias));
  CHECK(name(type(of_alias->type)) == "held");
  const btf_type* const next = type(btf_members(find("held", BTF_KIND_STRUCT))->type);
  REQUIRE(btf_is_ptr(next));
  CHECK(next->type == 0);

  const btf_type* const numbers = find("values", BTF_KIND_ENUM64);
  REQUIRE(numbers != nullptr);
  CHECK(btf_enum64_value(btf_enum64(numbers)) == 1ull << 40);
  CHECK(std::string(btf__name_by_offset(p, btf_enum64(numbers)->name_off)) == "LARGE");

  const btf_type* const called = type(type(find("call", BTF_KIND_TYPEDEF)->type)->type);
  REQUIRE(btf_is_func_proto(called));
  REQUIRE(btf_vlen(called) == 1);
  CHECK(name(type(type(btf_params(called)->type)->type)) == "handed");

  CHECK(find("other", BTF_KIND_STRUCT) == nullptr);
  CHECK(find("wanted", BTF_KIND_FUNC) == nullptr);
}

TEST_CASE("the kernel's BTF: what is none is refused, cut off or not") {
  const TempDir dir;
  const std::string bytes = some_btf();
  CHECK_THROWS_AS(KernelBtf((dir / "none").c_str()), needle::Error);
  CHECK_THROWS_AS(KernelBtf(dir.file("btf", "").c_str()), needle::Error);
  CHECK_THROWS_AS(KernelBtf(dir.file("btf", std::string(100, 'x')).c_str()), needle::Error);
  for (const std::size_t size : {std::size_t{10}, bytes.size() / 2, bytes.size() - 1})
    CHECK_THROWS_AS(KernelBtf(dir.file("btf", bytes.substr(0, size)).c_str()), needle::Error);
}
