/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A function of the kernel that programs call, and the type that they have it take memory for. By numbers that no helper
 * and no constant has, which user space replaces by those of the kernel (see common/load/loader.h): otherwise libbpf would
 * have to read all its types. */
#ifndef NEEDLE_KFUNC_H
#define NEEDLE_KFUNC_H

#define KFUNC_RDONLY_CAST 0x6e656501
#define KTYPE_WORDS 0x6e656502
#define KTYPE_WORDS_NAME "itimerspec64" /* include/linux/time64.h: four signed words of 64 bits */

#endif
