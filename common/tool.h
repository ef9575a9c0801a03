// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a tool is: its name, its columns, its BPF object, and options of its own.
#pragma once

#include "print/column.h"
#include "error.h"
#include "filter.h"
#include "run/path_prefixes.h"

#include <bpf/libbpf.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <vector>

namespace needle {

template <> inline constexpr auto gathered<event_header> = std::tuple{
    Gathered<WANT_TIME, &event_header::time>{},
    Gathered<WANT_IDS, &event_header::uid, &event_header::gid>{},
    Gathered<WANT_WHO, &event_header::euid, &event_header::ppid, &event_header::start, &event_header::thread, &event_header::kthread,
             &event_header::cgroup, &event_header::mnt_ns, &event_header::pid_ns>{},
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
};

// The columns that every event has. Tools put their own behind these, the longest last.
template <Event E>
inline constexpr std::array header_columns{
    hidden(column<&E::h, &event_header::time>("time", "when it happened: local time of day; in JSON RFC 3339, UTC")),
    hidden(column<&E::h, &event_header::uid>("uid", "real user id of the process")),
    hidden(column<&E::h, &event_header::euid>("euid", "effective user id")),
    hidden(column<&E::h, &event_header::gid>("gid", "real group id")),
    column<&E::h, &event_header::pid>("pid", "process id, in the initial pid namespace"),
    hidden(column<&E::h, &event_header::tid>("tid", "thread id")),
    hidden(column<&E::h, &event_header::ppid>("ppid", "process id of the parent")),
    hidden(column<&E::h, &event_header::start>("start", "when the process started, in microseconds of the kernel's clock: with pid, its identity")),
    column<&E::h, &event_header::comm>("comm", "name of the process, which it may choose itself"),
    hidden(column<&E::h, &event_header::thread>("thread", "name of the thread")),
    hidden(column<&E::h, &event_header::kthread>("kthread", "whether it is a thread of the kernel, whatever its name")),
    hidden(column<&E::h, &event_header::cgroup>("cgroup", "cgroup v2 id")),
    hidden(column<&E::h, &event_header::mnt_ns>("mnt_ns", "mount namespace, as in /proc/PID/ns/mnt")),
    hidden(column<&E::h, &event_header::pid_ns>("pid_ns", "pid namespace, as in /proc/PID/ns/pid")),
    hidden(column<&E::h, &event_header::via>("via", "the system call, compat: for 32-bit ones, or io_uring")),
    hidden(column<&E::h, &event_header::src>("src", "how the object is known: kernel, fd (looked up behind a descriptor "
                                                    "when the call returned), user (the caller's own words)")),
};

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
    extra(column<&context::cwd>("cwd", "working directory")),
    extra(column<&context::lineage>("lineage", "ancestors, the first one first, and the process itself")),
};

template <std::size_t N, std::size_t M>
consteval std::array<Column, N + M> operator+(const std::array<Column, N>& a, const std::array<Column, M>& b) {
  std::array<Column, N + M> all{};
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

// The same columns with the one of this name shown, and last.
template <std::size_t N>
consteval std::array<Column, N> shown_last(std::array<Column, N> columns, std::string_view name) {
  const auto found = std::ranges::find(columns, name, &Column::name);
  std::rotate(found, found + 1, columns.end());
  columns.back().shown = true;
  return columns;
}

// Entries for a map of the BPF object, to be put there after it is loaded.
class MapEntries {
 public:
  // `key` is as long as the map's keys; the value is one byte, 1.
  void add(bpf_map* map, std::span<const std::byte> key);
  template <class K> void add(bpf_map* map, const K& key) { add(map, std::as_bytes(std::span(&key, 1))); }
  void size_maps() const;  // before load: throws Error
  void fill_maps() const;  // after load: throws Error

 private:
  struct Entry {
    bpf_map* map;
    std::vector<std::byte> key;
  };
  std::vector<Entry> entries_;
};

// An option of the tool's own. It is applied after the object is opened, before it is loaded:
// it sets constants of the BPF programs, or adds map entries. Throws BadUsage.
struct Option {
  std::string_view flags;  // "-w,--write"
  std::string_view value;  // what its argument is called in --help; empty: it takes none
  std::string_view help;
  void (*set)(std::string_view value, MapEntries&);
};

// A deed of the tool's own, harmless and without a trace, that must wake all programs of WHAT but the optional
// ones, or all of the optional ones WHAT__MECHANISM_opt_WORD: a hook can be attached where nothing ever comes
// by (see hooks.h).
struct Trial {
  std::string_view what;
  void (*deed)();
};

// What a tool does not see without programs that may be missing. Said before it traces.
struct Blind {
  std::string_view missing, unless;  // how their names begin; not said if programs of `unless` are taken
  std::string_view what;
};

// The parts of a generated skeleton that the common code needs. All belong to the skeleton.
struct Object {
  bpf_object* bpf;
  bpf_map *events, *scratch, *filter_lists, *filter_cgroups, *followed, *lineages, *constants;
  bpf_program *self, *seed;
  ::filter* filter;          // .rodata: writable until load
  bool* direct_reads;        // the same
  bool* untyped;             // the same
  ::event_stats* (*stats)(); // .bss: there after load
  __u64* (*unwanted)();      // likewise: UNWANTED_SLOTS
  int (*load)();             // 0 or -errno; not bpf_object__load(), which does not map .rodata and .bss
};

// Binds a generated skeleton type.
template <class S> struct Skeleton {
  static inline S* s = nullptr;
  using Constants = std::remove_pointer_t<decltype(S::rodata)>;

  static Object open(const char* btf) {
    LIBBPF_OPTS(bpf_object_open_opts, opts);
    opts.btf_custom_path = btf;
    s = S::open(&opts);
    if (!s) return {};
    return {s->obj, s->maps.events, s->maps.scratch, s->maps.filter_lists, s->maps.filter_cgroups, s->maps.followed,
            s->maps.lineages, s->maps.rodata, s->progs.self__run, s->progs.seed__run, &s->rodata->filter,
            const_cast<bool*>(&s->rodata->direct_reads), &s->rodata->untyped, [] { return &s->bss->stats; },
            [] { return s->bss->unwanted; }, [] { return S::load(s); }};
  }
  static void close() {
    S::destroy(s);
    s = nullptr;
  }

  // An option without an argument that sets a constant to true.
  template <auto Constant> static consteval Option flag(std::string_view flags, std::string_view help) {
    return {flags, "", help, [](std::string_view, MapEntries&) { s->rodata->*Constant = true; }};
  }
  // --path, for tools that include path.bpf.h.
  static consteval Option path_prefix() {
    return {"--path", "PREFIX", "only paths that begin so (repeatable; end with / for a directory)",
            [](std::string_view v, MapEntries& entries) {
              prefix_of(v);  // throws
              const PathPrefixes& all = path_prefixes(v);
              for (const std::string& path : all.paths) {
                const prefix p = prefix_of(path);
                entries.add(s->maps.path_prefixes, p);
                keep_common(p, !s->rodata->path_filter, s->rodata->path_begin, s->rodata->path_begin_mask);
                s->rodata->path_filter = true;
              }
              for (const std::string& name : all.names) {
                entries.add(s->maps.asked_prefixes, prefix_of(name));
                s->rodata->asked_filter = true;
              }
            }};
  }
};

struct Tool {
  std::string_view name;
  std::string_view about;
  std::string_view examples;  // for --help: lines "COMMAND\tWHAT IT SHOWS\n"
  std::size_t event_size;
  std::span<const Column> columns;
  std::span<const Option> options;
  std::span<const Trial> trials;
  std::span<const Blind> blind;
  Object (*open)(const char* btf);  // the file with the kernel's types; null: /sys has them
  void (*close)();
};

template <class S, Event E>
consteval Tool make_tool(std::string_view name, std::string_view about, std::string_view examples,
                         std::span<const Column> columns, std::span<const Option> options = {},
                         std::span<const Trial> trials = {}, std::span<const Blind> blind = {}) {
  using Bpf = Skeleton<S>;
  return {name, about, examples, sizeof(E), columns, options, trials, blind, Bpf::open, Bpf::close};
}

extern const Tool tool;  // each tools/NAME.cpp defines it; common/main.cpp runs it

}  // namespace needle
