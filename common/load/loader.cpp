// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "load/loader.h"

#include "error.h"
#include "load/dead_code.h"
#include "kfunc.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>
#include <vector>

namespace needle {
namespace {

constexpr const char* kCast = "bpf_rdonly_cast";
const std::string kIterator = "bpf_iter_";

Loader* current = nullptr;

// What a program of such a section is attached to, if it is no tracepoint.
std::string function_of(const Section& s) { return s.kind == "iter" ? kIterator + s.target : s.target; }

// A target that is not zero keeps libbpf from reading the kernel's types. prepare() takes it away.
int set_up(bpf_program* p, long) {
  return bpf_program__type(p) == BPF_PROG_TYPE_TRACING ? bpf_program__set_attach_target(p, 1, nullptr) : 0;
}

int prepare(bpf_program* p, bpf_prog_load_opts* opts, long) { return current ? current->prepare(p, opts) : -EINVAL; }

int attach(const bpf_program* p, long, bpf_link** link) {
  switch (bpf_program__type(p)) {
    case BPF_PROG_TYPE_TRACING: *link = bpf_program__attach_trace(p); break;
    case BPF_PROG_TYPE_RAW_TRACEPOINT: *link = bpf_program__attach_raw_tracepoint(p, section_of(p).target.c_str()); break;
    default: return -EOPNOTSUPP;
  }
  return *link ? 0 : -errno;
}

}  // namespace

DirectReads direct_reads(const KernelBtf& k) { return {k.function(kCast), k.structure(KTYPE_WORDS_NAME)}; }

std::vector<std::string> names_needed(const bpf_object* object) {
  std::vector<std::string> names{kCast, KTYPE_WORDS_NAME};
  const bpf_program* p = nullptr;
  while ((p = bpf_object__next_program(object, const_cast<bpf_program*>(p)))) {
    const Section s = section_of(p);
    if (s.kind == "fentry" || s.kind == "fexit" || s.kind == "iter") names.push_back(function_of(s));
    if (s.kind == "tp_btf" || s.kind == "raw_tp")
      for (const std::string& tracepoint : tracepoints_in(s.target)) names.push_back(KernelBtf::of_tracepoint(tracepoint));
  }
  return names;
}

std::vector<std::string> tracepoints_in(const std::string& target) {
  std::vector<std::string> names;
  std::istringstream words(target);
  for (std::string name; std::getline(words, name, '+');) names.push_back(name);
  return names;
}

int Loader::load(bpf_map* constants, const std::function<int()>& load) {
  std::size_t size = 0;
  const auto* const bytes = static_cast<const std::byte*>(bpf_map__initial_value(constants, &size));
  constant_bytes_.assign(bytes, bytes + size);
  constants_ = constants;
  mallopt(M_ARENA_MAX, 1);  // else each thread leaves some memory behind that is its own
  loads_.emplace();
  const int error = load(), late = finish();
  return error != 0 ? error : late;
}

int Loader::finish() {
  int error = 0;
  for (Load& load : *loads_) {
    const int fd = load.fd.get(), place = bpf_program__fd(load.program);
    if (fd < 0) error = fd;
    if (fd >= 0 && place >= 0 && dup3(fd, place, O_CLOEXEC) < 0) error = -errno;
    if (fd >= 0) close(fd);
  }
  loads_.reset();
  return error;
}

// What libbpf has prepared is its own for no longer than it loads it, but for what lives as long as the object.
void Loader::load_apart(bpf_program* p, bpf_prog_load_opts* opts) {
  const auto* const functions = static_cast<const bpf_func_info*>(opts->func_info);
  const auto load = [this, name = bpf_program__name(p), type = bpf_program__type(p),
                     attach = bpf_program__expected_attach_type(p), opts = *opts,
                     code = std::vector(bpf_program__insns(p), bpf_program__insns(p) + bpf_program__insn_cnt(p)),
                     functions = std::vector(functions, functions + opts->func_info_cnt)]() mutable {
    remove_dead_code(code, functions, {bpf_map__fd(constants_), constant_bytes_});
    opts.func_info = functions.data();
    opts.func_info_cnt = static_cast<__u32>(functions.size());
    opts.line_info_cnt = 0;
    opts.expected_attach_type = attach;
    opts.log_level = 0;
    return bpf_prog_load(type, name, "Dual BSD/GPL", code.data(), code.size(), &opts);
  };
  loads_->push_back({p, std::async(std::launch::async | std::launch::deferred, load)});
  bpf_insn nothing[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
                        {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  bpf_program__set_insns(p, nothing, std::size(nothing));
  opts->func_info_cnt = opts->line_info_cnt = 0;
}

// Before a program is loaded.
int Loader::prepare(bpf_program* p, bpf_prog_load_opts* opts) {
  if (arguments_ == Arguments::typed && bpf_program__type(p) == BPF_PROG_TYPE_TRACING) {
    const Section s = section_of(p);
    opts->attach_prog_fd = 0;
    opts->attach_btf_id = s.kind == "tp_btf" ? kernel_.tracepoint(s.target) : kernel_.function(function_of(s));
    if (opts->attach_btf_id == 0) return -ESRCH;
  }
  auto* const code = const_cast<bpf_insn*>(bpf_program__insns(p));  // to be changed until it is loaded, says libbpf.h
  const DirectReads direct = arguments_ == Arguments::typed ? direct_reads(kernel_) : DirectReads{};
  for (std::size_t i = 0; direct && i < bpf_program__insn_cnt(p); i++) {
    if (code[i].imm == KTYPE_WORDS && BPF_OP(code[i].code) == BPF_MOV) code[i].imm = static_cast<__s32>(direct.words);
    if (code[i].code != (BPF_JMP | BPF_CALL) || code[i].src_reg != 0 || code[i].imm != KFUNC_RDONLY_CAST) continue;
    code[i].src_reg = BPF_PSEUDO_KFUNC_CALL;
    code[i].imm = static_cast<__s32>(direct.cast);
  }
  if (loads_) load_apart(p, opts);
  return 0;
}

Section section_of(const bpf_program* p) {
  const std::string section = bpf_program__section_name(p);
  return {section.substr(0, section.find('/')), section.substr(section.find('/') + 1)};
}

namespace {

// Once: libbpf moves its handlers when there is another, but objects go on pointing at them.
void register_handlers(Arguments a) {
  struct Handled {
    const char* name;
    bpf_prog_type type;
    bpf_attach_type attach;
  };
  static constexpr Handled kSections[] = {{"fentry+", BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY},
                                          {"fexit+", BPF_PROG_TYPE_TRACING, BPF_TRACE_FEXIT},
                                          {"iter+", BPF_PROG_TYPE_TRACING, BPF_TRACE_ITER},
                                          {"raw_tp+", BPF_PROG_TYPE_RAW_TRACEPOINT, static_cast<bpf_attach_type>(0)},
                                          {"cgroup/connect4", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT},
                                          {"cgroup/connect6", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET6_CONNECT},
                                          {"cgroup/sendmsg4", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_UDP4_SENDMSG},
                                          {"cgroup/sendmsg6", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_UDP6_SENDMSG}};
  const Handled tracepoints = a == Arguments::typed
                                  ? Handled{"tp_btf+", BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP}
                                  : Handled{"tp_btf+", BPF_PROG_TYPE_RAW_TRACEPOINT, static_cast<bpf_attach_type>(0)};
  const auto handle = [](const Handled& s) {
    LIBBPF_OPTS(libbpf_prog_handler_opts, opts);
    opts.prog_setup_fn = set_up;
    opts.prog_prepare_load_fn = prepare;
    opts.prog_attach_fn = attach;
    libbpf_register_prog_handler(s.name, s.type, s.attach, &opts);
  };
  for (const Handled& s : kSections) handle(s);
  handle(tracepoints);
}

}  // namespace

Loader::Loader(const KernelBtf& kernel, Arguments arguments) : kernel_(kernel), arguments_(arguments) {
  static const Arguments first = (register_handlers(arguments), arguments);
  if (current || arguments != first) throw Error("there is a loader already, or there was one for another kernel");
  current = this;
}

Loader::~Loader() { current = nullptr; }

}  // namespace needle
