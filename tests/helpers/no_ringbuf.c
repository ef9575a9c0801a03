// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* To be preloaded: a kernel without BPF ring buffers, as before 5.8. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <sys/syscall.h>

long syscall(long nr, ...)
{
	long (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	va_list list;
	long a[6];

	va_start(list, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (nr == SYS_bpf && a[0] == BPF_MAP_CREATE && ((union bpf_attr *)a[1])->map_type == BPF_MAP_TYPE_RINGBUF)
		return errno = EINVAL, -1;
	return real(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}
