// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* To be preloaded: a kernel that refuses to load BPF programs whose names begin with $REFUSED_PROGRAMS. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

long syscall(long nr, ...)
{
	long (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	const char *refused = getenv("REFUSED_PROGRAMS");
	va_list list;
	long a[6];

	va_start(list, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (nr == SYS_bpf && a[0] == BPF_PROG_LOAD && refused &&
	    !strncmp(((union bpf_attr *)a[1])->prog_name, refused, strlen(refused)))
		return errno = EPERM, -1;
	return real(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}
