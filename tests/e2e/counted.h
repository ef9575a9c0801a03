/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What aggregate.bpf.c counts, and what it sends at once. */
#ifndef NEEDLE_TESTS_COUNTED_H
#define NEEDLE_TESTS_COUNTED_H

#include "aggregate.h"

/* getppid(2) takes no arguments: its register says which object is meant, and what happens to it. */
#define COUNTED_CLOSE (1 << 16)
#define COUNTED_ROOM 48
struct counted_key {
  __u64 object;
};
struct counted_value {
  struct aggregate a;
  __u64 first; /* who came first */
};
struct counted_record {
  struct counted_key key;
  struct counted_value value;
};

#endif
