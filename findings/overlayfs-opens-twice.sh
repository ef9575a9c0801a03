#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Linux 6.1.192.
# Guess:  one open(2) of a file reaches security_file_open once.
# So is:  on overlayfs it does so twice in the same call: for the file that the caller opens, and for the one beneath it, whose
#         inode number and path are others. What counts opens there counts each container's twice.
source "$(dirname "$0")/lib.sh"
out=$(vm overlay.ko <<'GUEST'
mount -t tmpfs tmpfs /mnt; mkdir /mnt/lower /mnt/upper /mnt/work /mnt/all; echo >/mnt/lower/file
mount -t overlay overlay -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work /mnt/all
echo 'p:open security_file_open' >/sys/kernel/tracing/kprobe_events
trace kprobes:open
for file in /mnt/lower/file /mnt/all/file; do
  echo before >/sys/kernel/tracing/trace_marker
  : <$file
  echo after >/sys/kernel/tracing/trace_marker  # is opened, too
done
traced | grep 'init-1 ' | awk '/before/ { n = 0 } / open:/ { n++ } /after/ { print n - 1 }'
GUEST
)
expect "an open on overlayfs, after one on tmpfs" '1 2' "$out"
