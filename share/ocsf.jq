# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# JSON lines of the tools as events of the Open Cybersecurity Schema Framework:
#   opensnoop -j | jq -c --unbuffered -f ocsf.jq
# File System Activity (1001), Process Activity (1007), Network Activity (4001); records of the stream itself are left out, but
# for losses, which are base events. Classes, attributes and numbers: github.com/ocsf/ocsf-schema.

def text: if . == null then null else tostring end;
def pruned: walk(if type == "object" then with_entries(select(.value != null and .value != {})) else . end);
# Milliseconds since 1970. jq knows no fractions of a second.
def ms: if . == null then null else (sub("\\.[0-9]+"; "") | fromdate) * 1000 + (capture("\\.(?<f>[0-9]{3})").f // "0" | tonumber) end;
def is_ip: type == "string" and test("^[0-9a-fA-F:.]+(%.*)?$") and test("[.:]");
def endpoint(addr; port): if addr | is_ip then {ip: addr, port: port} else {name: addr, port: port} end;
# What has an attribute of its own.
def mapped: "time", "event", "host", "pid", "tid", "comm", "exe", "started", "cwd", "uid", "user", "ppid", "pcomm", "pexe",
  "container", "container_name", "runtime", "image", "pod_uid", "errno", "error", "path", "owner", "type", "laddr", "lport", "raddr",
  "rport", "proto", "exit", "tpid", "tcomm", "texe";
def user(id; name): if id == null then null else {uid: (id | text), name: name} end;

select(.event != "start" and .event != "end")
| .event as $e
# What the schema has no activity for is another one (99) of a process, which has the event's name.
| {
    open: [1001, 1, 14], chmod: [1001, 1, 7], exec: [1007, 1, 1], fork: [1007, 1, 1], exit: [1007, 1, 2], cred: [1007, 1, 5],
    connect: [4001, 4, 1], lost: null, skipped: null, replaced: null
  } as $classes
| (if $classes | has($e) then $classes[$e] else [1007, 1, 99] end) as $class
| ($class // [0, 0, 99]) as [$class_uid, $category_uid, $activity]
# A connection that failed, or was refused.
| (if .event != "connect" or (.errno // 0) == 0 then $activity elif .error == "ECONNREFUSED" then 5 else 4 end) as $activity
| {
    class_uid: $class_uid, category_uid: $category_uid, activity_id: $activity, type_uid: ($class_uid * 100 + $activity),
    severity_id: 1, time: (.time | ms),
    metadata: {version: "1.8.0", product: {name: "needle", vendor_name: "needle"}, event_code: .event, original_time: .time}
  }
+ if $class == null then {message: "\(.event): \(.[.event]) (\(.[.event + "_total"]) in all)", device: {type_id: 0, hostname: .host}}
  else {
    activity_name: (if $activity == 99 then .event else null end),
    status_id: (if .errno == null then 0 elif .errno == 0 then 1 else 2 end), status_code: .error,
    device: {
      type_id: 0, hostname: .host,
      container: (if .container then {uid: .container, name: .container_name, runtime: .runtime, image: {name: .image}, pod_uuid: .pod_uid}
        else null end)
    },
    unmapped: with_entries(select(.key | IN(mapped) | not))
  } + (
    {
      pid: .pid, name: .comm, tid: .tid, path: .exe, created_time: (.started | ms), working_directory: .cwd,
      user: user(.uid; .user),
      parent_process: (if .ppid then {pid: .ppid, name: .pcomm, path: .pexe} else null end)
    } as $process
    | if .event == "exit" then {
        process: $process, exit_code: .exit,
        actor: {process: {pid: .ppid, name: .pcomm, path: .pexe}, user: user(.uid; .user)}
      }
      elif .event == "exec" then {
        process: ($process + {cmd_line: (.args // [] | join(" "))}),
        actor: {process: {pid: .ppid, name: .pcomm, path: .pexe}, user: user(.uid; .user)}
      }
      # What is done to another process.
      elif $class_uid == 1007 then {
        process: (if .tpid then {pid: .tpid, name: .tcomm, path: .texe} else $process end),
        actor: {process: $process, user: user(.uid; .user)}
      }
      else {actor: {process: $process, user: user(.uid; .user)}} end
    + if .event == "open" or .event == "chmod" then {
        file: {
          path: .path, name: (.path // "" | split("/") | last // ""), owner: user(.owner; null),
          type_id: ({file: 1, directory: 2, char: 3, block: 4, socket: 5, pipe: 6, symlink: 7}[.type // ""] // 0)
        }
      }
      elif .event == "connect" then {
        src_endpoint: endpoint(.laddr; .lport), dst_endpoint: endpoint(.raddr; .rport),
        connection_info: {direction_id: 2, protocol_name: .proto}
      }
      else {} end)
  end
| pruned
