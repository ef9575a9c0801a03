// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "load/hooks.h"

#include "load/loader.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <fcntl.h>
#include <mntent.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>

namespace needle {
namespace {

// The WHATs that shared headers bring: they are watched only for some columns or filters.
constexpr std::string_view kFollow = "follow", kLineage = "lineage", kPreload = "preload";

bool is_shared(std::string_view what) { return what == kFollow || what == kLineage || what == kPreload; }

bool forgets(const bpf_program* p) {
  return std::string_view(bpf_program__section_name(p)).ends_with("/sched_process_exit") &&
         is_shared(parse_hook_name(bpf_program__name(p)).what);
}

// What the tool or the machine has run out of says nothing about what the kernel can do: it ends the tool.
void check_shortage(int error) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  if (error == EMFILE)
    throw Error(fmt::format("too many open files: the limit is {}; raise it, as with ulimit -n 1024", files.rlim_cur));
  if (error == ENFILE) throw Error("too many open files in the whole system; raise the limit with sysctl fs.file-max");
  if (error == ENOMEM)
    throw Error(
        "the kernel has no memory for the BPF programs and maps; the cgroup's limit may be too low, or --buffer too large");
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
  if (program < 0) check_shortage(errno);
  const int link = program < 0 ? -1 : bpf_raw_tracepoint_open(nullptr, program);
  constexpr int kENOTSUPP = 524;  // the kernel's own; libc has no text for it
  const int error = errno;
  const char* reason = error == kENOTSUPP ? "it has no trampolines on this processor" : std::strerror(error);
  if (link < 0 && program >= 0) check_shortage(error);
  if (link < 0) refusal = fmt::format("the kernel refuses fentry programs: {}", reason);
  if (link >= 0) close(link);
  if (program >= 0) close(program);
  return refusal;
}

// Those that there are of the tracepoints of a section.
std::vector<std::string> tracepoints_of(const bpf_program* p, const KernelBtf& kernel) {
  std::vector<std::string> names = tracepoints_in(section_of(p).target);
  std::erase_if(names, [&](const std::string& name) { return kernel.tracepoint(name) == 0; });
  return names;
}

// For -v: its section, with the tracepoints that there are.
std::string where(const bpf_program* p, const KernelBtf& kernel) {
  const auto [kind, target] = section_of(p);
  return kind == "raw_tp" ? fmt::format("raw_tp/{}", fmt::join(tracepoints_of(p, kernel), "+")) : bpf_program__section_name(p);
}

// Why a program cannot work here, as far as that shows without loading it; empty: it may.
std::string missing(const bpf_program* p, const KernelBtf& kernel, bool untyped) {
  const auto [kind, target] = section_of(p);
  if (kind == "fentry" || kind == "fexit") {
    if (untyped) return "it needs types of the kernel's own";
    const unsigned function = kernel.function(target);
    if (function == 0) return "this kernel has no function " + target;
    return trampoline_refusal(function);
  }
  if ((kind == "tp_btf" || kind == "raw_tp") && tracepoints_of(p, kernel).empty())
    return "this kernel has no tracepoint " + target;
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

// What an alternative is refused as.
std::string alternative_of(const HookName& name) { return fmt::format("{}_alt_{}", name.unit, name.alternative); }

}  // namespace

std::vector<bpf_program*> in_attach_order(const bpf_object* object) {
  std::vector<bpf_program*> all;
  for (bpf_program* p = nullptr; (p = bpf_object__next_program(object, p));) all.push_back(p);
  std::stable_partition(all.begin(), all.end(), [](const bpf_program* p) { return !forgets(p); });
  return all;
}

bool Hooks::asked_for(std::string_view what, const ::filter& filter) const {
  if (what == kFollow) return alone_ && (filter.set & FILTER_TREE) != 0;
  if (what == kLineage) return alone_ && (filter.want & WANT_LINEAGE) != 0;
  if (what == kPreload) return alone_ && (filter.want & WANT_PRELOAD) != 0;
  return true;
}

void Hooks::for_each_program(const Object& object, const std::function<void(bpf_program*, const HookName&)>& f) const {
  for (bpf_program* p : in_attach_order(object.bpf)) {
    const HookName name = parse_hook_name(bpf_program__name(p));
    if (name.is_hook() && asked_for(name.what, *object.filter)) f(p, name);
  }
}

Hooks::Hooks(const Tool& tool, std::string only, std::string btf, bool alone, Dispatcher* dispatcher)
    : tool_(tool), only_(std::move(only)), btf_(std::move(btf)), alone_(alone), dispatcher_(dispatcher) {
  if ((types_ = memfd_create("types", MFD_CLOEXEC)) < 0) check_shortage(errno);
}

Hooks::~Hooks() {
  detach();
  if (types_ >= 0) close(types_);
}

void Hooks::refuse(const std::string& program, const std::string& reason) {
  const HookName name = parse_hook_name(program);
  refused_.insert(name.alternative == 0 ? name.unit : alternative_of(name));
  refusals_ += fmt::format("  {}: {}\n", program, reason);
}

bool Hooks::takes(std::string_view prefix) const {
  const auto first = taken_.lower_bound(std::string(prefix));
  return first != taken_.end() && first->starts_with(prefix);
}

bool Hooks::is_refused(const std::string& program) const {
  const HookName name = parse_hook_name(program);
  return (name.alternative != 0 && refused_.contains(alternative_of(name))) || refused_.contains(name.unit) ||
         refused_.contains(name.group());
}

void Hooks::choose(const Object& object) {
  std::map<std::string, std::map<std::string, std::vector<bpf_program*>>> whats;
  for_each_program(object, [&](bpf_program* p, const HookName& n) { whats[n.what][n.mechanism].push_back(p); });
  bool only_exists = only_.empty();
  for (auto& [what, mechanisms] : whats) only_exists |= mechanisms.contains(only_);
  if (!only_exists) throw Error(fmt::format("--hook: {} has no {} hooks", tool_.name, only_));

  report_.clear();
  taken_.clear();
  for (auto& [what, mechanisms] : whats) {
    bool taken = false;
    for (const std::string_view m : kMechanisms) {
      const std::string mechanism(m);
      if (taken || !mechanisms.contains(mechanism)) continue;
      if (mechanisms.contains(only_) && mechanism != only_) continue;
      for (bpf_program* p : mechanisms[mechanism]) {
        const std::string program = bpf_program__name(p);
        if (is_refused(program)) continue;
        if (const std::string reason = missing(p, *kernel_, untyped_); !reason.empty()) refuse(program, reason);
      }
      std::map<std::string, unsigned> alternatives;  // by unit: the lowest number that is left; 0: none is
      for (bpf_program* p : mechanisms[mechanism])
        if (const HookName n = parse_hook_name(bpf_program__name(p)); n.alternative != 0)
          if (unsigned& first = alternatives[n.unit]; !is_refused(bpf_program__name(p)) && (first == 0 || n.alternative < first))
            first = n.alternative;
      for (const auto& [unit, first] : alternatives)
        if (first == 0) refused_.insert(unit);
      if (refused_.contains(what + "__" + mechanism)) continue;
      for (bpf_program* p : mechanisms[mechanism]) {
        const HookName n = parse_hook_name(bpf_program__name(p));
        if (is_refused(bpf_program__name(p)) || (n.alternative != 0 && n.alternative != alternatives[n.unit])) continue;
        bpf_program__set_autoload(p, true);
        taken_.insert(bpf_program__name(p));
        report_ += fmt::format("  {}: taken ({})\n", bpf_program__name(p), where(p, *kernel_));
      }
      taken = true;
    }
    if (!taken) throw Error(fmt::format("there is no way to see {} on this kernel: {}", what, one_line(refusals_)));
  }
  report_ += refusals_;
}

// The file with the kernel's types, which libbpf reads at the load; empty: those in /sys.
std::string Hooks::types_path() const {
  const std::string types = fmt::format("/proc/self/fd/{}", types_);
  return access(types.c_str(), R_OK) == 0 ? types : untyped_ ? btf_ : "";
}

std::unique_ptr<Object> Hooks::open(const std::function<void(Object&)>& setup) const {
  const std::string types = types_path();
  std::unique_ptr<Object> object = tool_.open(types.empty() ? nullptr : types.c_str());
  if (!object) check_shortage(errno);
  if (!object) throw Error(fmt::format("cannot open the BPF object: {}", std::strerror(errno)));
  if (lseek(types_, 0, SEEK_END) == 0)
    if (const std::string bytes = kernel_->for_program(bpf_object__btf(object->bpf), names_needed(object->bpf));
        write(types_, bytes.data(), bytes.size()) != std::ssize(bytes))
      throw Error(fmt::format("cannot keep the kernel's types: {}", std::strerror(errno)));
  *object->untyped = untyped_;
  *object->direct_reads = !untyped_ && needle::direct_reads(*kernel_);
  setup(*object);
  if (rest_refused_) bpf_program__set_autoload(object->rest, false);
  return object;
}

// After a failed load: loads each chosen program alone, and refuses those that do not.
// Returns whether there were any.
bool Hooks::refuse_unloadable(const std::function<void(Object&)>& setup) {
  if (const auto object = open(setup); !rest_refused_ && object->rest && bpf_program__autoload(object->rest))
    if (const int e = object->load()) {  // it is no hook: what it tells at the end is not told
      check_shortage(-e);
      rest_refused_ = true;
      refusals_ += fmt::format("  {}: the kernel refuses to load it: {}\n", bpf_program__name(object->rest), std::strerror(-e));
      return true;
    }
  std::vector<std::string> chosen;
  {
    const auto object = open(setup);
    choose(*object);
    for_each_program(*object, [&](bpf_program* p, const HookName&) {
      if (bpf_program__autoload(p)) chosen.emplace_back(bpf_program__name(p));
    });
  }
  bool any = false;
  for (const std::string& name : chosen) {
    const auto object = open(setup);
    bpf_program__set_autoload(bpf_object__find_program_by_name(object->bpf, name.c_str()), true);
    if (const int e = object->load()) {
      check_shortage(-e);
      refuse(name, fmt::format("the kernel refuses to load it: {}", std::strerror(-e)));
      any = true;
    }
  }
  return any;
}

std::unique_ptr<Object> Hooks::take(const std::function<void(Object&)>& setup, const std::function<void(Object&)>& loaded) {
  try {
    kernel_.emplace();
  } catch (const Error& e) {
    check_shortage(errno);
    if (btf_.empty())
      throw Error(fmt::format(
          "this kernel shows no type information (BTF): {}; mount /sys, or give --btf FILE with that of exactly this kernel",
          e.what()));
    untyped_ = true;
  }
  if (untyped_) {
    try {
      kernel_.emplace(btf_.c_str());
    } catch (const Error& e) {
      throw Error(fmt::format("--btf: {}", e.what()));
    }
  }
  Loader loader(*kernel_, untyped_ ? Arguments::numbers : Arguments::typed);
  for (;;) {
    auto object = open(setup);
    choose(*object);
    if (const int e = loader.load(object->rodata, [&] { return object->load(); })) {
      object.reset();
      check_shortage(-e);
      if (libbpf_probe_bpf_map_type(BPF_MAP_TYPE_RINGBUF, nullptr) == 0)
        throw Error("this kernel has no BPF ring buffer; it needs Linux 5.8 or later");
      if (!refuse_unloadable(setup))
        throw Error(fmt::format("cannot load the BPF programs: {}; -v shows why", std::strerror(-e)));
      continue;
    }
    loaded(*object);
    if (attach(*object, loader) && try_out(*object)) {
      kernel_.reset();  // some MiB
      return object;
    }
    detach();
  }
}

bool Hooks::attach(Object& object, Loader& loader) {
  const std::string types = types_path();
  std::size_t fexits = 0;
  for_each_program(object, [&](bpf_program* p, const HookName&) {
    const auto [kind, target] = section_of(p);
    if (kind != "fexit" || !bpf_program__autoload(p)) return;
    if (fexits == FEXITS_MAX) throw Error("FEXITS_MAX of bpf/control.h is less than this tool has fexit programs");
    object.stats().fexits[fexits++] = kernel_->function(target);
  });
  bool attached = true;
  for_each_program(object, [&](bpf_program* p, const HookName& n) {
    if (!attached || !bpf_program__autoload(p) || is_shared(n.what)) return;
    const auto keep = [&](bpf_link* link) {
      if (link) return links_.push_back(link);
      check_shortage(errno);
      refuse(bpf_program__name(p), fmt::format("the kernel refuses to attach it: {}", std::strerror(errno)));
      attached = false;
    };
    if (dispatcher_ && dispatcher_->add(p, object, loader, types.empty() ? nullptr : types.c_str())) {
      dispatched_.insert(p);
      return;
    }
    const std::string kind = section_of(p).kind;
    if (kind == "cgroup") return keep(attach_to_root_cgroup(p));
    if (kind != "raw_tp") return keep(bpf_program__attach(p));
    for (const std::string& name : tracepoints_of(p, *kernel_))
      if (attached) keep(bpf_program__attach_raw_tracepoint(p, name.c_str()));
  });
  return attached;
}

void Hooks::attach_last(const Object& object) {
  for_each_program(object, [&](bpf_program* p, const HookName& name) {
    if (!bpf_program__autoload(p) || !is_shared(name.what)) return;
    bpf_link* const link = bpf_program__attach(p);
    if (!link) throw Error(fmt::format("the kernel refuses to attach {}: {}", bpf_program__name(p), std::strerror(errno)));
    links_.push_back(link);
  });
}

// Returns whether all programs ran that the tool's own deeds must wake, and refuses those that did not. Of the last
// mechanism only those for which there may be another: a tracepoint is always come by, and so is what the dispatcher runs, whose runs
// the kernel does not count.
bool Hooks::try_out(Object& object) {
  std::vector<bpf_program*> tried;
  for_each_program(object, [&](bpf_program* p, const HookName& name) {
    if (bpf_program__autoload(p) && !dispatched_.contains(p) && (name.optional || name.mechanism != kMechanisms.back()) &&
        std::ranges::find(tool_.trials, name.optional ? name.unit : name.what, &Trial::what) != tool_.trials.end())
      tried.push_back(p);
  });
  if (tried.empty()) return true;
  const int counting = bpf_enable_stats(BPF_STATS_RUN_TIME);  // as long as it is open
  if (counting < 0) report_ += fmt::format("  not tried out, whether they run: {}\n", std::strerror(errno));
  for (const Trial& trial : tool_.trials) trial.deed(object);  // in any case: the programs learn from them what there is
  if (counting < 0) return true;
  close(counting);
  bool all = true;
  for (bpf_program* p : tried) {
    bpf_prog_info info{};
    __u32 size = sizeof info;
    if (bpf_obj_get_info_by_fd(bpf_program__fd(p), &info, &size) != 0 || info.run_cnt > 0) continue;
    refuse(bpf_program__name(p), "the kernel attaches it, but never runs it");
    all = false;
  }
  return all;
}

void Hooks::detach() {
  for (bpf_link* link : links_) bpf_link__destroy(link);
  links_.clear();
  for (const bpf_program* p : dispatched_) dispatcher_->remove(p);
  dispatched_.clear();
}

}  // namespace needle
