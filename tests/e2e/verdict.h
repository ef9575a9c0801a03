/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What decide.bpf.c tells decide.cpp of a file. */
#ifndef NEEDLE_TESTS_VERDICT_H
#define NEEDLE_TESTS_VERDICT_H

#define CASES_MAX 64
struct verdict {
  int decided; /* enum decision */
  int looked;  /* of path_wanted(); -1: there was no record to look in */
  int dest[2]; /* of dest_wanted(): 192.0.2.1, 198.51.100.1, both port 80 */
  int kept;    /* whether the ring buffer took something */
};

#endif
