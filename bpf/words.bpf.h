/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Eight bytes at a time. */
#ifndef NEEDLE_WORDS_BPF_H
#define NEEDLE_WORDS_BPF_H

#include "kernel.h"

/* In which bytes of a word that byte is: 0x80 there, 0 elsewhere. */
#define EACH_BYTE(n) (0x0101010101010101ull * (n))
static __always_inline __u64 equal_bytes(__u64 word, __u8 byte)
{
	word ^= EACH_BYTE(byte);
	return ~(((word & EACH_BYTE(0x7f)) + EACH_BYTE(0x7f)) | word | EACH_BYTE(0x7f));
}

#endif
