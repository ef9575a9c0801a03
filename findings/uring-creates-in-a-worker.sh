#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Linux 6.1.192.
# Guess:  io_uring tries each request in the thread that submits it, and leaves only what would wait to a worker: an open of a file
#         that is there and cached, with O_CREAT as without, is done before io_uring_enter(2) returns, by the caller.
# So is:  no open that has O_CREAT is: it always goes to a worker thread of its own (iou-wrk), even if the file exists. Who looks
#         at the current thread's name or id when a file is made sees the worker's.
source "$(dirname "$0")/lib.sh"
compile opens <<'C'
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int workers(void) {
  int n = 0;
  DIR* tasks = opendir("/proc/self/task");
  for (struct dirent* t; (t = readdir(tasks));) {
    char path[64], name[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%.16s/comm", t->d_name);
    FILE* comm = fopen(path, "r");
    if (comm && fgets(name, sizeof name, comm)) n += !strncmp(name, "iou-wrk", 7);
    if (comm) fclose(comm);
  }
  closedir(tasks);
  return n;
}

static int open_by_ring(int flags) {
  struct io_uring_params p = {0};
  const int ring = syscall(SYS_io_uring_setup, 1, &p);
  char* sq = mmap(0, p.sq_off.array + 4 * p.sq_entries, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
  char* cq = mmap(0, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
  struct io_uring_sqe* s = mmap(0, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
  memset(s, 0, sizeof *s);
  s->opcode = IORING_OP_OPENAT;
  s->fd = AT_FDCWD;
  s->addr = (unsigned long)"/tmp/there";
  s->open_flags = flags;
  s->len = 0600;
  __atomic_store_n((unsigned*)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
  syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, 0, 0);
  return ((struct io_uring_cqe*)(cq + p.cq_off.cqes))->res;
}

int main(void) {
  close(open("/tmp/there", O_CREAT | O_RDWR, 0600));
  const int plain = open_by_ring(O_RDWR) >= 0, before = workers();
  const int create = open_by_ring(O_RDWR | O_CREAT) >= 0, after = workers();
  printf("open: %s, %d workers\n", plain ? "done" : "failed", before);
  printf("with O_CREAT: %s, %d workers\n", create ? "done" : "failed", after);
}
C
expect "opens of a file that is there" 'open: done, 0 workers with O_CREAT: done, 1 workers' "$(vm "$tmp/opens" <<<opens)"
