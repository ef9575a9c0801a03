/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* To be preloaded: a kernel that refuses some bpf(2). Included by what defines which. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <sys/syscall.h>

/* The error for a bpf(2) of `command` with `attr`, or 0: the kernel's own answer. */
static int refusal(long command, const union bpf_attr* attr);

long syscall(long nr, ...) {
  long (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  int error = 0;
  va_list list;
  long a[6];

  va_start(list, nr);
  for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
  va_end(list);
  if (nr == SYS_bpf) error = refusal(a[0], (const union bpf_attr*)a[1]);
  if (error) return errno = error, -1;
  return real(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}
