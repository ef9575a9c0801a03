#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# runc 1.1.5 (Debian 12), on Linux 6.1.192 with cgroup v2.
# Guess:  state.json has the bundle's directory in a field of its own, and the cgroup's path under a name.
# So is:  the bundle is a text "bundle=PATH" in the list config.labels, after the container's annotations, which are there in the
#         same form: an annotation named bundle makes a second "bundle=". The last counts, and `runc state` loses the
#         annotation. The cgroup's path stands under the empty name.
source "$(dirname "$0")/lib.sh"
unpack runc=1.1.5+ds1-1+deb12u1 libseccomp2=2.5.4-1+deb12u1
out=$(vm "$root/usr/sbin/runc" <<'GUEST'
mkdir -p /mnt/b/rootfs/bin; cp /bin/busybox /mnt/b/rootfs/bin; cd /mnt/b
runc spec
sed -i 's/"terminal": true/"terminal": false/; s|"sh"|"/bin/busybox", "sleep", "60"|; s/"hostname":/"annotations": { "bundle": "other", "a": "b" }, &/' config.json
runc run -d --no-pivot c </dev/null >/tmp/log 2>&1 || cat /tmp/log
grep -o '"labels":\[[^]]*\]' /run/runc/c/state.json
grep -o '"cgroup_paths":{[^}]*}' /run/runc/c/state.json
runc state c | grep -A2 -e bundle -e annotations | grep -v -e rootfs -e status -e created
runc delete -f c
GUEST
)
# Annotations come in any order.
expect "an annotation named bundle, with another" \
  '"labels":\[("bundle=other","a=b"|"a=b","bundle=other"),"bundle=/mnt/b"\] "cgroup_paths":\{"":"/sys/fs/cgroup/c"\} "bundle": "/mnt/b", "annotations": \{ "a": "b" \},' "$out"
