// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "kernel_types.h"

#include "kfunc.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>

namespace needle {
namespace {

const KernelBtf* kernel = nullptr;
Arguments arguments = Arguments::typed;

// A target that is not zero keeps libbpf from reading the kernel's types. prepare() takes it away.
int set_up(bpf_program* p, long) {
  return bpf_program__type(p) == BPF_PROG_TYPE_TRACING ? bpf_program__set_attach_target(p, 1, nullptr) : 0;
}

// Before a program is loaded.
int prepare(bpf_program* p, bpf_prog_load_opts* opts, long) {
  if (arguments == Arguments::numbers) return 0;
  if (bpf_program__type(p) == BPF_PROG_TYPE_TRACING) {
    const auto [kind, target] = section_of(p);
    opts->attach_prog_fd = 0;
    opts->attach_btf_id = kind == "tp_btf" ? kernel->tracepoint(target) : kernel->function(kind == "iter" ? "bpf_iter_" + target : target);
    if (opts->attach_btf_id == 0) return -ESRCH;
  }
  const unsigned cast = kernel->function("bpf_rdonly_cast");
  auto* const code = const_cast<bpf_insn*>(bpf_program__insns(p));  // to be changed until it is loaded, says libbpf.h
  for (std::size_t i = 0; cast != 0 && i < bpf_program__insn_cnt(p); i++)
    if (code[i].code == (BPF_JMP | BPF_CALL) && code[i].src_reg == 0 && code[i].imm == KFUNC_RDONLY_CAST) {
      code[i].src_reg = BPF_PSEUDO_KFUNC_CALL;
      code[i].imm = static_cast<__s32>(cast);
    }
  return 0;
}

int attach(const bpf_program* p, long, bpf_link** link) {
  switch (bpf_program__type(p)) {
    case BPF_PROG_TYPE_TRACING: *link = bpf_program__attach_trace(p); break;
    case BPF_PROG_TYPE_RAW_TRACEPOINT: *link = bpf_program__attach_raw_tracepoint(p, section_of(p).target.c_str()); break;
    default: return -EOPNOTSUPP;
  }
  return *link ? 0 : -errno;
}

}  // namespace

Section section_of(const bpf_program* p) {
  const std::string section = bpf_program__section_name(p);
  return {section.substr(0, section.find('/')), section.substr(section.find('/') + 1)};
}

void answer_libbpf(const KernelBtf& k, Arguments a) {
  struct Handled {
    const char* name;
    bpf_prog_type type;
    bpf_attach_type attach;
  };
  static constexpr Handled kSections[] = {{"fentry+", BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY},
                                          {"fexit+", BPF_PROG_TYPE_TRACING, BPF_TRACE_FEXIT},
                                          {"iter+", BPF_PROG_TYPE_TRACING, BPF_TRACE_ITER},
                                          {"cgroup/connect4", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT},
                                          {"cgroup/connect6", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET6_CONNECT},
                                          {"cgroup/sendmsg4", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_UDP4_SENDMSG},
                                          {"cgroup/sendmsg6", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_UDP6_SENDMSG}};
  const Handled tracepoints = a == Arguments::typed ? Handled{"tp_btf+", BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP}
                                                    : Handled{"tp_btf+", BPF_PROG_TYPE_RAW_TRACEPOINT, static_cast<bpf_attach_type>(0)};
  const auto handle = [](const Handled& s) {
    LIBBPF_OPTS(libbpf_prog_handler_opts, opts);
    opts.prog_setup_fn = set_up;
    opts.prog_prepare_load_fn = prepare;
    opts.prog_attach_fn = attach;
    libbpf_register_prog_handler(s.name, s.type, s.attach, &opts);
  };
  if (kernel == nullptr) {
    for (const Handled& s : kSections) handle(s);
    handle(tracepoints);
  }
  kernel = &k;
  arguments = a;
}

}  // namespace needle
