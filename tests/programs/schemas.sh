# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What share/ecs.jq and share/ocsf.jq make of real events has only names that the schemas have, with the values that it should.
needs=(jq)
source "$(dirname "$0")/common.sh"

# A socket with a path has one for an address. What libraries connect to on the way (nscd) depends on the machine.
dial="perl -MSocket -e 'socket(my \$s, AF_UNIX, SOCK_STREAM, 0); connect(\$s, pack_sockaddr_un(q($work/none)))'"
for tool in "${tools[@]}"; do
  $tool -je --output "$work/$tool" -- bash -c "cat /nonexistent; chmod 600 $work; $dial; kill -URG \$\$; exec 3<>/dev/tcp/127.0.0.1/9" >/dev/null 2>&1 || true
done
cat "$work"/*snoop >"$work/all"
printf '%s\n' '{"event":"lost","time":"2026-11-28T19:00:00.000000000Z","host":"h","lost":3,"lost_total":5}' >>"$work/all"
for schema in ecs ocsf; do
  check jq -cf "$share/$schema.jq" "$work/all" >"$work/$schema"
  # The names of all members, but what is told to be our own.
  jq -r 'del(.needle, .unmapped) | paths(type != "object" and type != "array") | map(select(type == "string")) | join(".")' "$work/$schema" |
    sort -u >"$work/$schema.names"
  check equal "names of $schema that it does not have" "$(comm -23 "$work/$schema.names" <(grep -v '^#' "$source_dir/tests/programs/$schema.txt" | sort))" ''
done
check equal "documents" "$(wc -l <"$work/ecs")" "$(wc -l <"$work/all")"
one() { jq -c "$2" "$work/$1" | head -1; }
check equal 'ECS, open' "$(one ecs 'select(.event.action == "open" and .file.path == "/nonexistent") |
  [.event.category, .event.outcome, .error.code, .process.name, .process.user.id, .needle.src, .host.name]')" \
  "[[\"file\"],\"failure\",\"ENOENT\",\"cat\",\"0\",\"user\",\"$(hostname)\"]"
check equal 'ECS, exec' "$(one ecs 'select(.event.action == "exec" and .process.args[0] == "chmod") | [.event.type, .process.args, .process.executable]')" \
  "[[\"start\"],[\"chmod\",\"600\",\"$work\"],\"/usr/bin/chmod\"]"
check equal 'ECS, connect' "$(one ecs 'select(.event.action == "connect" and .destination.port == 9) | [.network.transport, .destination.ip, .destination.port, .error.code]')" \
  '["tcp","127.0.0.1",9,"ECONNREFUSED"]'
check equal 'ECS, connect to a path' "$(one ecs 'select(.destination.address == "'"$work"'/none") | [.network.transport, .destination, .error.code]')" \
  "[\"unix\",{\"address\":\"$work/none\"},\"ENOENT\"]"
check equal 'ECS, chmod' "$(one ecs 'select(.event.action == "chmod") | [.event.type, .file.mode, .file.path]')" "[[\"change\"],\"0600\",\"$work\"]"
check equal 'ECS, lost' "$(one ecs 'select(.event.action == "lost") | [.event.kind, .needle]')" '["pipeline_error",{"lost":3,"lost_total":5}]'
check equal 'OCSF, open' "$(one ocsf 'select(.type_uid == 100114 and .file.path == "/nonexistent") |
  [.class_uid, .category_uid, .status_id, .status_code, .actor.process.name, .file.name, .device.hostname]')" \
  "[1001,1,2,\"ENOENT\",\"cat\",\"nonexistent\",\"$(hostname)\"]"
check equal 'OCSF, exec' "$(one ocsf 'select(.class_uid == 1007 and .process.path == "/usr/bin/chmod") | [.type_uid, .process.cmd_line]')" \
  "[100701,\"chmod 600 $work\"]"
check equal 'OCSF, connect' "$(one ocsf 'select(.class_uid == 4001 and .dst_endpoint.port == 9) | [.type_uid, .dst_endpoint, .connection_info.direction_id]')" \
  '[400105,{"ip":"127.0.0.1","port":9},2]'
check equal 'OCSF, connect to a path' "$(one ocsf 'select(.dst_endpoint.name == "'"$work"'/none") | [.type_uid, .status_code]')" '[400104,"ENOENT"]'
check equal 'OCSF, what is done to a process' "$(one ocsf 'select(.activity_name == "kill" and .unmapped.sig == "SIGURG") |
  [.type_uid, .actor.process.name, .process.name, .actor.process.pid == .process.pid, .unmapped.result]')" '[100799,"bash","bash",true,"ignored"]'
check equal 'events of tools that are none of a process, a file or a connection' "$(jq -c 'select(.class_uid == 0 and (.message | startswith("lost") | not))' "$work/ocsf")" ''
check equal 'ECS, events without a category' "$(jq -c 'select(.event.kind == "event" and (.event.category == null or .event.type == null))' "$work/ecs")" ''
check equal 'OCSF, time' "$(one ocsf 'select(.class_uid == 0) | [.time, .type_uid, .message]')" '[1795892400000,99,"lost: 3 (5 in all)"]'
# What the schema requires of every event.
check equal 'OCSF, required' "$(jq -c 'select([.class_uid, .category_uid, .activity_id, .type_uid, .severity_id, .time, .metadata.version, .metadata.product] | any(. == null))' "$work/ocsf")" ''
check equal 'OCSF, required of the classes' "$(jq -c 'select(.class_uid != 0 and ((.device.type_id == null) or (.actor == null) or
  (.class_uid == 1001 and (.file.name == null or .file.type_id == null)) or (.class_uid == 1007 and .process == null) or
  (.class_uid == 4001 and .connection_info.direction_id == null)))' "$work/ocsf")" ''
finish
