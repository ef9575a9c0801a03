// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "hooks.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <fcntl.h>
#include <mntent.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>

namespace needle {
namespace {

// In the order of preference: what is handed the kernel's own object comes first.
constexpr std::array<std::string_view, 2> kMechanisms{"fentry", "tp"};

struct Name {
  std::string what, mechanism;
  std::string unit;  // what is refused with it: its group; of an optional program those that share _opt_WORD
  bool alternative = false;
  std::string group() const { return what + "__" + mechanism; }
};

Name parse(std::string_view program) {
  const std::size_t sep = program.find("__");
  if (sep == program.npos) return {};
  const std::string_view rest = program.substr(sep + 2);
  for (const std::string_view m : kMechanisms)
    if (rest == m || rest.starts_with(std::string(m) + "_")) {
      Name name{std::string(program.substr(0, sep)), std::string(m), {}, false};
      const std::string_view detail = rest.substr(m.size());
      name.alternative = detail.starts_with("_alt_");
      name.unit = name.group();
      if (name.alternative) name.unit = program;
      if (detail.starts_with("_opt_")) name.unit += detail.substr(0, detail.find('_', 5));
      return name;
    }
  return {};
}

// What is watched only for some columns or filters.
bool asked_for(const std::string& what, const ::filter& filter) {
  if (what == "follow") return (filter.set & FILTER_TREE) != 0;
  if (what == "lineage") return (filter.want & WANT_LINEAGE) != 0;
  return true;
}

template <class F> void for_each_program(const Object& object, F f) {
  bpf_program* p = nullptr;
  bpf_object__for_each_program(p, object.bpf) {
    const Name name = parse(bpf_program__name(p));
    if (!name.what.empty() && asked_for(name.what, *object.filter)) f(p, name);
  }
}

// Whether the kernel lets anybody attach to a function at all: a trampoline may be missing on
// this architecture, or forbidden by lockdown. Tried with an empty program, once.
const std::string& trampoline_refusal(unsigned function) {
  static bool tried = false;
  static std::string refusal;
  if (tried) return refusal;
  tried = true;
  const bpf_insn return_0[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
                               {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  LIBBPF_OPTS(bpf_prog_load_opts, opts);
  opts.expected_attach_type = BPF_TRACE_FENTRY;
  opts.attach_btf_id = function;
  const int program = bpf_prog_load(BPF_PROG_TYPE_TRACING, "trial", "GPL", return_0, std::size(return_0), &opts);
  const int link = program < 0 ? -1 : bpf_raw_tracepoint_open(nullptr, program);
  if (link < 0) refusal = fmt::format("the kernel refuses fentry programs: {}", std::strerror(errno));
  if (link >= 0) close(link);
  if (program >= 0) close(program);
  return refusal;
}

// Why a program cannot work here, as far as that shows without loading it; empty: it may.
std::string missing(const bpf_program* p, const KernelBtf& kernel) {
  const std::string section = bpf_program__section_name(p);
  const std::string kind = section.substr(0, section.find('/')), target = section.substr(section.find('/') + 1);
  if (kind == "fentry" || kind == "fexit") {
    const unsigned function = kernel.function(target);
    if (function == 0) return "this kernel has no function " + target;
    return trampoline_refusal(function);
  }
  if (kind == "tp_btf" && !kernel.has_tracepoint(target)) return "this kernel has no tracepoint " + target;
  return {};
}

// "  a: b\n  c: d\n" as "a: b; c: d".
std::string one_line(std::string_view lines) {
  std::string text;
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n');
    if (!text.empty()) text += "; ";
    text += lines.substr(2, end - 2);
    lines.remove_prefix(end + 1);
  }
  return text;
}

// Sees all processes: the programs of a cgroup run for those below it too. Null with errno.
bpf_link* attach_to_root_cgroup(const bpf_program* p) {
  bpf_link* link = nullptr;
  if (FILE* mounts = setmntent("/proc/self/mounts", "re")) {
    errno = ENOENT;  // no cgroup v2 is mounted
    while (const mntent* m = link ? nullptr : getmntent(mounts)) {
      if (std::strcmp(m->mnt_type, "cgroup2") != 0) continue;
      const int fd = ::open(m->mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      if (fd < 0) continue;
      link = bpf_program__attach_cgroup(p, fd);
      const int error = errno;
      close(fd);
      errno = error;
    }
    const int error = errno;
    endmntent(mounts);
    errno = error;
  }
  return link;
}

}  // namespace

void Hooks::refuse(const std::string& program, const std::string& reason) {
  refused_.insert(parse(program).unit);
  refusals_ += fmt::format("  {}: {}\n", program, reason);
}

bool Hooks::is_refused(const std::string& program) const {
  const Name name = parse(program);
  return refused_.contains(name.unit) || refused_.contains(name.group());
}

void Hooks::choose(const Object& object) {
  std::map<std::string, std::map<std::string, std::vector<bpf_program*>>> whats;
  for_each_program(object, [&](bpf_program* p, const Name& n) { whats[n.what][n.mechanism].push_back(p); });
  bool only_exists = only_.empty();
  for (auto& [what, mechanisms] : whats) only_exists |= mechanisms.contains(only_);
  if (!only_exists) throw Error(fmt::format("--hook: {} has no {} hooks", tool.name, only_));

  report_.clear();
  for (auto& [what, mechanisms] : whats) {
    bool taken = false;
    for (const std::string_view m : kMechanisms) {
      const std::string mechanism(m);
      if (taken || !mechanisms.contains(mechanism)) continue;
      if (mechanisms.contains(only_) && mechanism != only_) continue;
      for (bpf_program* p : mechanisms[mechanism]) {
        const std::string program = bpf_program__name(p);
        if (is_refused(program)) continue;
        if (const std::string reason = missing(p, *kernel_); !reason.empty()) refuse(program, reason);
      }
      const auto left = [this](bpf_program* p) { return !is_refused(bpf_program__name(p)); };
      const auto alternative = [](bpf_program* p) { return parse(bpf_program__name(p)).alternative; };
      auto& programs = mechanisms[mechanism];
      if (std::ranges::any_of(programs, alternative) &&
          std::ranges::none_of(programs, [&](bpf_program* p) { return alternative(p) && left(p); }))
        refused_.insert(what + "__" + mechanism);
      if (refused_.contains(what + "__" + mechanism)) continue;
      bool have_alternative = false;
      for (bpf_program* p : programs) {
        if (!left(p) || (alternative(p) && have_alternative)) continue;
        have_alternative |= alternative(p);
        bpf_program__set_autoload(p, true);
        report_ += fmt::format("  {}: taken ({})\n", bpf_program__name(p), bpf_program__section_name(p));
      }
      taken = true;
    }
    if (!taken) throw Error(fmt::format("there is no way to see {} on this kernel: {}", what, one_line(refusals_)));
  }
  report_ += refusals_;
}

// After a failed load: loads each chosen program alone, and refuses those that do not.
// Returns whether there were any.
bool Hooks::refuse_unloadable(const std::function<void(const Object&)>& setup) {
  std::vector<std::string> chosen;
  {
    const Object object = tool.open();
    setup(object);
    choose(object);
    for_each_program(object, [&](bpf_program* p, const Name&) {
      if (bpf_program__autoload(p)) chosen.emplace_back(bpf_program__name(p));
    });
    tool.close();
  }
  bool any = false;
  for (const std::string& name : chosen) {
    const Object object = tool.open();
    setup(object);
    bpf_program__set_autoload(bpf_object__find_program_by_name(object.bpf, name.c_str()), true);
    if (const int e = object.load()) {
      refuse(name, fmt::format("the kernel refuses to load it: {}", std::strerror(-e)));
      any = true;
    }
    tool.close();
  }
  return any;
}

Object Hooks::take(const std::function<void(const Object&)>& setup, const std::function<void(const Object&)>& loaded) {
  kernel_.emplace();
  for (;;) {
    const Object object = tool.open();
    if (!object.bpf) throw Error(fmt::format("cannot open the BPF object: {}", std::strerror(errno)));
    setup(object);
    *object.direct_reads = kernel_->function("bpf_rdonly_cast") != 0;
    choose(object);
    if (const int e = object.load()) {
      tool.close();
      if (!refuse_unloadable(setup)) throw Error(fmt::format("cannot load the BPF programs: {}; -v shows why", std::strerror(-e)));
      continue;
    }
    loaded(object);
    if (attach(object)) {
      kernel_.reset();  // some MiB
      return object;
    }
    detach();
    tool.close();
  }
}

bool Hooks::attach(const Object& object) {
  bool attached = true;
  for_each_program(object, [&](bpf_program* p, const Name&) {
    if (!attached || !bpf_program__autoload(p)) return;
    const bool cgroup = std::string_view(bpf_program__section_name(p)).starts_with("cgroup/");
    bpf_link* link = cgroup ? attach_to_root_cgroup(p) : bpf_program__attach(p);
    if (link) return links_.push_back(link);
    refuse(bpf_program__name(p), fmt::format("the kernel refuses to attach it: {}", std::strerror(errno)));
    attached = false;
  });
  return attached;
}

void Hooks::detach() {
  for (bpf_link* link : links_) bpf_link__destroy(link);
  links_.clear();
}

}  // namespace needle
