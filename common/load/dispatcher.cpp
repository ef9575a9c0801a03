// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "load/dispatcher.h"

#include "load/loader.h"
#include "tool.h"

#include "dispatcher.skel.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <span>
#include <string_view>

namespace needle {
namespace {

// The numbers that a program says it wants: an array in its object's constants. See CALLS_OF() in bpf/syscall.bpf.h.
std::vector<__u32> calls_of(const bpf_program* p, const Object& object) {
  const btf* const types = bpf_object__btf(object.bpf);
  const int section = btf__find_by_name_kind(types, ".rodata", BTF_KIND_DATASEC);
  if (section < 0) return {};
  const btf_type* const t = btf__type_by_id(types, static_cast<__u32>(section));
  const std::span variables(btf_var_secinfos(t), btf_vlen(t));
  const auto name_of = [types](const btf_var_secinfo& v) -> std::string_view {
    return btf__name_by_offset(types, btf__type_by_id(types, v.type)->name_off);
  };
  const std::string prefix = std::string(bpf_program__name(p)) + "__wants__";
  const auto wants = std::ranges::find_if(variables, [&](const auto& v) { return name_of(v).starts_with(prefix); });
  if (wants == variables.end()) return {};
  const std::string array = "calls_" + std::string(name_of(*wants).substr(prefix.size()));
  const auto found = std::ranges::find_if(variables, [&](const auto& v) { return name_of(v) == array; });
  if (found == variables.end()) return {};
  std::size_t size = 0;
  const auto* const bytes = static_cast<const char*>(bpf_map__initial_value(object.rodata, &size));
  if (std::size_t{found->offset} + found->size > size) return {};
  std::vector<__u32> numbers(found->size / sizeof(__u32));
  std::memcpy(numbers.data(), bytes + found->offset, numbers.size() * sizeof(__u32));
  std::erase_if(numbers, [](__u32 nr) { return nr >= DISPATCHED_NO_CALL; });
  std::ranges::sort(numbers);
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

__u8* end_of(dispatched& d) { return std::ranges::find(d.places, 0); }
bool is_full(const dispatched& d) { return d.places[DISPATCHED_RUNS_MAX - 1] != 0; }
void put(__u8& place, unsigned value) { std::atomic_ref(place).store(static_cast<__u8>(value), std::memory_order_relaxed); }

}  // namespace

Dispatcher::Dispatcher() : bpf_(nullptr, dispatcher_bpf::destroy) {}

Dispatcher::~Dispatcher() {
  bpf_link__destroy(enter_);
  bpf_link__destroy(exit_);
}

const bpf_object* Dispatcher::object() const { return bpf_ ? bpf_->obj : nullptr; }

bool Dispatcher::load(Loader& loader, const char* types, bool untyped) {
  LIBBPF_OPTS(bpf_object_open_opts, opts);
  opts.btf_custom_path = types;
  bpf_.reset(dispatcher_bpf::open(&opts));
  int error = errno;
  if (bpf_) {
    bpf_->rodata->untyped = untyped;
    error = -loader.load(bpf_->maps.rodata, [this] { return dispatcher_bpf::load(bpf_.get()); });
  }
  if (error == 0) return true;
  refusal_ = std::strerror(error);
  bpf_.reset();
  return false;
}

// The program at a tracepoint, once there is one for it to run: it costs every system call.
bool Dispatcher::attach(bool enters) {
  bpf_link*& link = enters ? enter_ : exit_;
  if (!link) link = bpf_program__attach(enters ? bpf_->progs.dispatch_enter : bpf_->progs.dispatch_exit);
  return link != nullptr;
}

bool Dispatcher::add(const bpf_program* p, const Object& object, Loader& loader, const char* types) {
  const auto [kind, target] = section_of(p);
  const bool enters = target == "sys_enter";
  if (kind != "tp_btf" || (!enters && target != "sys_exit") || !refusal_.empty()) return false;
  const std::vector<__u32> calls = calls_of(p, object);
  if (calls.empty() || (!bpf_ && !load(loader, types, *object.untyped))) return false;
  dispatched* const all = enters ? bpf_->bss->enter_calls : bpf_->bss->exit_calls;
  if (std::ranges::any_of(calls, [all](__u32 nr) { return nr >= DISPATCHED_NR_MAX || is_full(all[nr]); })) return false;

  unsigned place = 0;
  const auto is_taken = [&](const Added& a) { return a.calls == all && a.place == place; };
  while (std::ranges::any_of(added_, is_taken)) place++;
  const bpf_map* const programs = enters ? bpf_->maps.enter_programs : bpf_->maps.exit_programs;
  const int fd = bpf_program__fd(p);
  if (place >= DISPATCHED_PROGRAMS_MAX || !attach(enters) ||
      bpf_map_update_elem(bpf_map__fd(programs), &place, &fd, BPF_ANY) != 0)
    return false;
  added_.push_back({p, all, place});
  for (const __u32 nr : calls) put(*end_of(all[nr]), place + 1);
  return true;
}

void Dispatcher::remove(const bpf_program* p) {
  for (const Added& a : added_) {
    if (a.program != p) continue;
    for (dispatched& d : std::span(a.calls, DISPATCHED_NR_MAX)) {
      const auto at = std::ranges::find(d.places, a.place + 1);
      if (at == std::end(d.places)) continue;
      __u8* const last = end_of(d) - 1;  // takes its place
      put(*at, *last);
      put(*last, 0);
    }
  }
  std::erase_if(added_, [p](const Added& a) { return a.program == p; });
}

std::string Dispatcher::report() const {
  if (!refusal_.empty()) return fmt::format("each program at sys_enter and sys_exit is attached by itself: {}", refusal_);
  return fmt::format("one program each at sys_enter and sys_exit, which runs the tools' {}", added_.size());
}

}  // namespace needle
