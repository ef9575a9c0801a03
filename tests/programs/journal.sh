# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# --journal makes entries with fields in a real journald, which has a /run of its own.
needs=(jq journalctl systemd-cat)
source "$(dirname "$0")/common.sh"

if [[ ${NEEDLE_IN_NAMESPACE:-} != 1 ]]; then
  rm -rf "$work"
  NEEDLE_IN_NAMESPACE=1 exec unshare -m bash "$0" "$source_dir" "$build_dir" "${tools[@]}"
fi
mount --make-rprivate /
mount -t tmpfs none /run
mkdir -p /run/systemd/journal "/run/log/journal/$(cat /etc/machine-id)"
check equal 'status without journald' "$(opensnoop --journal -d 0.1 2>/dev/null; echo $?)" 1
/lib/systemd/systemd-journald 2>/dev/null &
check eventually test -S /run/systemd/journal/socket

long=$(printf '\\x01%.0s' {1..30000} | xargs -0 printf)
opensnoop --journal --path "$work/" -- bash -c ": <'$work/a b'; : >'$work/made'; exit 0" 2>/dev/null
execsnoop --journal -o +args -- /bin/true "$long" 2>/dev/null
systemd-cat -t lines opensnoop --no-heading -o path --path "$work/" -- bash -c ": <'$work/made'" 2>/dev/null
entries() { journalctl --no-pager -o json "$@" | jq -r "$fields"; }
found() { journalctl -q -t lines | grep -q "$work/made"; }
check eventually found
fields='[.NEEDLE_ERR, .NEEDLE_PATH, .PRIORITY, .NEEDLE_UID, .MESSAGE[:9]] | @tsv'
check equal opens "$(entries -t opensnoop NEEDLE_EVENT=open NEEDLE_COMM=bash)" "ENOENT	$work/a b	6	0	open pid=
	$work/made	6	0	open pid="
fields='[.NEEDLE_EVENT, .NEEDLE_SHOWN, .NEEDLE_LOST] | @tsv'
check equal stream "$(entries -t opensnoop | sed -n '1p;$p')" $'start\t\t\nend\t2\t0'
fields='.NEEDLE_ARGS | length'  # 128 kB, all that there can be
check equal long "$(journalctl --no-pager -a -o json -t execsnoop NEEDLE_EVENT=exec | jq -r "$fields")" 120013  # and the quotes
time_of() { journalctl --no-pager -o json -t opensnoop NEEDLE_EVENT=open | jq -r '.NEEDLE_TIME' | head -1; }
check test "$(($(date +%s) - $(date -d "$(time_of)" +%s)))" -lt 100
finish
