// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The columns that all tools share.
#pragma once

#include "filter.h"
#include "print/column.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <tuple>

namespace needle {

template <> inline constexpr auto gathered<event_header> = std::tuple{
    Gathered<WANT_TIME, &event_header::time>{},
    Gathered<WANT_IDS, &event_header::uid, &event_header::gid>{},
    Gathered<WANT_WHO, &event_header::euid, &event_header::ppid, &event_header::start, &event_header::thread,
             &event_header::kthread, &event_header::cgroup, &event_header::mnt_ns, &event_header::pid_ns>{},
};
template <> inline constexpr auto gathered<context> = std::tuple{
    Gathered<WANT_CONTAINER, &context::cgroups>{},
    Gathered<WANT_LINEAGE, &context::lineage>{},
    Gathered<WANT_PCOMM, &context::pcomm>{},
    Gathered<WANT_PEXE, &context::pexe>{},
    Gathered<WANT_EXE, &context::exe>{},
    Gathered<WANT_CWD, &context::cwd>{},
    Gathered<WANT_SESSION, &context::session, &context::login_uid, &context::audit_session, &context::tty>{},
    Gathered<WANT_NSPID, &context::nspid>{},
    Gathered<WANT_ARGS, &context::args>{},
    Gathered<WANT_PRELOAD, &context::preload>{},
    Gathered<WANT_IMAGE, &context::image>{},
};

// The columns that every event has. Tools put their own behind these, the longest last.
template <Event E> inline constexpr std::array header_columns{
    hidden(column<&E::h, &event_header::time>("time", "when it happened: local time of day; in JSON RFC 3339, UTC")),
    hidden(column_as<EventName, &E::h, &event_header::kind>("event", "what the line is: one word for all lines of a tool")),
    hidden(column_as<HostName, &E::h, &event_header::kind>("host", "the host's name: what gethostname says")),
    hidden(column<&E::h, &event_header::uid>("uid", "real user id of the process")),
    hidden(column<&E::h, &event_header::euid>("euid", "effective user id")),
    hidden(column<&E::h, &event_header::gid>("gid", "real group id")),
    column<&E::h, &event_header::pid>("pid", "process id, in the initial pid namespace"),
    hidden(column<&E::h, &event_header::tid>("tid", "thread id")),
    hidden(column<&E::h, &event_header::ppid>("ppid", "process id of the parent")),
    hidden(column<&E::h, &event_header::start>(
        "start", "when the process started, in microseconds of the kernel's clock: with pid, its identity")),
    column<&E::h, &event_header::comm>("comm", "name of the process, which it may choose itself"),
    hidden(column<&E::h, &event_header::thread>("thread", "name of the thread")),
    hidden(column<&E::h, &event_header::kthread>("kthread", "whether it is a thread of the kernel, whatever its name")),
    hidden(column<&E::h, &event_header::cgroup>("cgroup", "cgroup v2 id")),
    hidden(column<&E::h, &event_header::mnt_ns>("mnt_ns", "mount namespace, as in /proc/PID/ns/mnt")),
    hidden(column<&E::h, &event_header::pid_ns>("pid_ns", "pid namespace, as in /proc/PID/ns/pid")),
    hidden(column<&E::h, &event_header::via>("via", "the system call, compat: for 32-bit ones, or io_uring")),
    hidden(column<&E::h, &event_header::src>("src",
                                             "how the object is known: kernel, fd (looked up behind a descriptor "
                                             "when the call returned), user (the caller's own words)")),
};

// Facts of an inode, and the name that a call gave, for events that have them under these names.
namespace file_columns {
template <class E> inline constexpr Column type = hidden(column<&E::type>("type", "type of the file"));
template <class E> inline constexpr Column perm = hidden(column<&E::perm>("perm", "mode of the file"));
template <class E> inline constexpr Column owner = hidden(column<&E::owner>("owner", "user id of the file"));
template <class E> inline constexpr Column group = hidden(column<&E::group>("group", "group id of the file"));
template <class E> inline constexpr Column deleted = hidden(column<&E::deleted>("deleted", "whether it has been removed"));
template <class E> inline constexpr Column dev = hidden(column<&E::dev>("dev", "device of the file system, major:minor"));
template <class E> inline constexpr Column inode = hidden(column<&E::ino>("inode", "inode number"));
template <class E>
inline constexpr Column requested = hidden(column<&E::requested>("requested", "the name as the caller gave it"));
template <class E>
inline constexpr Column path = column<&E::path>("path", "the file: its full path from the root of the mount namespace");
}  // namespace file_columns

// Who did it, for all tools: what costs, and so is gathered only where it is shown. Tools put them
// behind those of the header.
inline constexpr std::array context_columns{
    extra(column_as<UserName, &event_header::uid>("user", "name of the real user id, by /etc/passwd")),
    extra(column_as<WhenStarted, &event_header::start>("started", "when the process started, by the clock on the wall")),
    extra(column<&context::nspid>("nspid", "process id in its own pid namespace, as the container has it")),
    extra(column<&context::pcomm>("pcomm", "name of the parent")),
    extra(column<&context::session>("session", "session id: process id of its leader")),
    extra(column<&context::login_uid>("login_uid", "who logged in, whatever user it is now")),
    extra(column<&context::audit_session>("audit_session", "session id of audit")),
    extra(column<&context::tty>("tty", "controlling terminal")),
    extra(column_as<OfContainer<&Container::id, 12>, &context::cgroups>("container", "id of the container, in JSON all of it")),
    extra(column_as<OfContainer<&Container::runtime, 10>, &context::cgroups>("runtime", "what runs the container")),
    extra(column_as<OfContainer<&Container::name, 16>, &context::cgroups>("container_name", "its name")),
    extra(column_as<OfContainer<&Container::image, 20>, &context::cgroups>("image", "the image it was made from")),
    extra(column_as<OfContainer<&Container::pod, 16>, &context::cgroups>("pod", "Kubernetes: name of the pod")),
    extra(column_as<OfContainer<&Container::ns, 12>, &context::cgroups>("namespace", "Kubernetes: namespace of the pod")),
    extra(column_as<OfContainer<&Container::pod_uid, 36>, &context::cgroups>("pod_uid", "Kubernetes: unique id of the pod")),
    extra(column<&context::exe>("exe", "the program that the process runs")),
    extra(column<&context::pexe>("pexe", "the program that its parent runs")),
    extra(column_as<Sha256, &context::image>("sha256", "SHA-256 of its program's file; ? until it is known")),
    extra(column<&context::cwd>("cwd", "working directory")),
    extra(column<&context::preload>("preload", "LD_PRELOAD and the like in its environment, as it was at the exec")),
    extra(column<&context::args>("args", "its command line, which it can change")),
    extra(column<&context::lineage>("lineage", "ancestors, the first one first, and the process itself")),
};

// Lists of columns, or of options, one behind the other.
template <class T, std::size_t N, std::size_t M>
consteval std::array<T, N + M> operator+(const std::array<T, N>& a, const std::array<T, M>& b) {
  std::array<T, N + M> all{};
  for (std::size_t i = 0; i < N; i++) all[i] = a[i];
  for (std::size_t i = 0; i < M; i++) all[N + i] = b[i];
  return all;
}

// The columns but one, which the tool has at another place.
template <std::size_t N> consteval auto without(std::string_view name, const std::array<Column, N>& all) {
  std::array<Column, N - 1> rest{};
  for (std::size_t to = 0; const Column& c : all)
    if (c.name != name) rest[to++] = c;
  return rest;
}

// The one of this name.
template <std::size_t N> consteval Column named(std::string_view name, const std::array<Column, N>& all) {
  return *std::ranges::find(all, name, &Column::name);  // none: does not compile
}

// The same columns with the one of this name shown, and last.
template <std::size_t N> consteval std::array<Column, N> shown_last(std::array<Column, N> columns, std::string_view name) {
  const auto found = std::ranges::find(columns, name, &Column::name);
  std::rotate(found, found + 1, columns.end());
  columns.back().shown = true;
  return columns;
}

}  // namespace needle
