// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is decided of the files that one process opens, without a record and with one: see decide.cpp. */
#include "context.bpf.h"
#include "decide.bpf.h"
#include "sock_filter.bpf.h"
#include "syscall.bpf.h"
#include "verdict.h"

struct verdict verdicts[CASES_MAX] = {};
__u32 cases = 0, actor = 0, fill = 0;
char filler[128] = {};

#define MARKED_CALLS(X) X(openat) X(open_by_handle_at)
DEFINE_CALLS(marked, MARKED_CALLS)

static __always_inline int dest_decided(__u32 first) {
  struct ev_addr a = {.kind = ADDR_IP};
  __u32 ip = bpf_htonl(first);

  (void)sock_any_is_loopback; /* of the header's, for those that have a socket */
  copy_v4(a.ip, ip);
  return dest_wanted(&a, 80);
}

SEC("?tp_btf/sys_exit")
int BPF_PROG(decision__tp_exit, struct pt_regs* regs, long ret) {
  struct file* file;
  struct verdict* v;
  struct record* r;
  struct call call;

  if (current_pid_tgid() >> 32 != actor || ret < 0 || !marked_exits(&call, regs)) return 0;
  exit_args(&call, regs);
  if (!(call.args[2] & O_NOCTTY) || cases >= CASES_MAX) return 0;
  if (fill) {
    for (int i = 0; i < 64; i++) /* of a ring of 4096 bytes */
      bpf_ringbuf_output(&events, filler, sizeof(filler) / 2, BPF_RB_NO_WAKEUP);
    fill = 0;
  }
  v = &verdicts[cases++ & (CASES_MAX - 1)];
  file = fd_file(ret);
  v->decided = decide_file(file);
  v->dest[0] = dest_decided(0xc0000201);
  v->dest[1] = dest_decided(0xc6336401);
  v->looked = -1;
  r = record_claim();
  if (r) {
    struct ev_str* s = (void*)r->bytes;

    __builtin_memset(s, 0, sizeof(*s));
    r->len = 64;
    append_path(r, s, (void*)file + bpf_core_field_offset(struct file, f_path));
    v->looked = path_wanted(r, s, false);
    record_release(r);
  }
  v->kept = !bpf_ringbuf_output(&events, filler, sizeof(filler), BPF_RB_NO_WAKEUP);
  return 0;
}
