/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Functions of the kernel that programs call. By numbers that no helper has, which user space replaces
 * by those of the kernel (see common/kernel_types.h): externs would make libbpf read all its types. */
#ifndef NEEDLE_KFUNC_H
#define NEEDLE_KFUNC_H

#define KFUNC_RDONLY_CAST 0x6e656501

#endif
