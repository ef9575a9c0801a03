// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/tracer.h"

#include "print/clock.h"
#include "run/file_watch.h"
#include "run/message.h"
#include "who/cgroup_watch.h"
#include "who/context.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

namespace needle {
namespace {

constexpr __u32 kProcesses = 65536;  // that are followed, or have a lineage, at a time
constexpr __u32 kPrograms = 2048;    // of which is known what their environment tells the loader

void size_map(bpf_map* map, __u32 entries, const char* what) {
  if (const int e = bpf_map__set_max_entries(map, entries)) throw Error(fmt::format("{}: {}", what, std::strerror(-e)));
}

// An iterator over what the program is for: read(2) of it runs that for each; or -1 with errno. `map`: over its entries.
int walk(const bpf_program* program, const bpf_map* map = nullptr) {
  bpf_iter_link_info info{};
  LIBBPF_OPTS(bpf_iter_attach_opts, opts);
  if (map) {
    info.map.map_fd = static_cast<__u32>(bpf_map__fd(map));
    opts.link_info = &info;
    opts.link_info_len = sizeof info;
  }
  bpf_link* link = bpf_program__attach_iter(program, map ? &opts : nullptr);
  const int fd = link ? bpf_iter_create(bpf_link__fd(link)) : -1;
  const int error = errno;
  bpf_link__destroy(link);
  errno = error;
  return fd;
}

void size_scratch(bpf_map* scratch) {
  const auto cpus = static_cast<__u32>(libbpf_num_possible_cpus());
  size_map(scratch, bpf_map__max_entries(scratch) * cpus, "cannot size the scratch memory");
}

}  // namespace

Tracer::Tracer(const Tool& tool, const Options& options, Receive receive, unsigned number, const Tracer* first,
               Dispatcher* dispatcher)
    : tool_(tool),
      options_(options),
      number_(number),
      first_(first),
      receive_(std::move(receive)),
      hooks_(tool, options.hook, options.btf, first == nullptr, dispatcher) {
  MapEntries entries;
  object_ = hooks_.take([&](Object& object) { set_up(object, entries); },
                        [&](Object& object) {
                          entries.fill_maps();
                          loaded(object);
                        });
}

void Tracer::begin() {
  hooks_.attach_last(*object_);
  if (bpf_program__autoload(object_->seed)) find_followed();
  if (object_->rest && bpf_program__autoload(object_->rest)) rest_ = walk(object_->rest, object_->kept);
}

Tracer::~Tracer() {
  if (rest_ >= 0) close(rest_);
}

void Tracer::tell_rest() {
  char nothing;
  if (rest_ >= 0 && read(rest_, &nothing, 1) < 0)
    say(fmt::format("cannot tell what is still under way: {}", std::strerror(errno)));
}

void Tracer::set_up(Object& object, MapEntries& entries) const {
  const Options& o = options_;
  entries = {};
  *object.filter = o.filter;
  object.files.clear();
  for (const Column* c : o.columns) object.filter->want |= c->wanted;
  if (o.filter.set & FILTER_CONTAINER) object.filter->want |= WANT_CONTAINER;
  if (object.filter->want & WANT_CONTAINER && have_cgroup_v1()) object.filter->want |= WANT_V1;
  for (const Setting& set : o.own) set(object, entries);
  *object.tool_number = static_cast<__u16>(number_);
  bpf_program__set_autoload(object.self, true);
  if (!object.files.empty()) bpf_program__set_autoload(object.find_file, true);
  if (object.rest) bpf_program__set_autoload(object.rest, !*object.untyped);
  if (first_) {
    entries.size_maps();
    return share(object);
  }
  for (const ::listed& l : o.listed) entries.add(object.filter_lists, l);
  entries.size_maps();
  if (o.filter.cgroups > 0) size_map(object.filter_cgroups, o.filter.cgroups, "--cgroup");
  if (o.filter.set & FILTER_TREE) {
    size_map(object.followed, kProcesses, "--tree");
    bpf_program__set_autoload(object.seed, !*object.untyped);
  }
  if (object.filter->want & WANT_LINEAGE) size_map(object.lineages, kProcesses, "cannot size the memory of lineages");
  if (object.filter->want & WANT_PRELOAD) size_map(object.preloads, kPrograms, "cannot size the memory of preload");
  size_map(object.events, o.buffer, "--buffer");
  size_scratch(object.scratch);
}

void Tracer::share(Object& object) const {
  Object& first = *first_->object_;
  for (const auto& [mine, its] : {std::pair{object.events, first.events},
                                  {object.filter_lists, first.filter_lists},
                                  {object.filter_cgroups, first.filter_cgroups},
                                  {object.followed, first.followed},
                                  {object.lineages, first.lineages},
                                  {object.preloads, first.preloads}})
    if (const int e = bpf_map__reuse_fd(mine, bpf_map__fd(its)))
      throw Error(fmt::format("cannot share the map {}: {}", bpf_map__name(mine), std::strerror(-e)));
  // A tool whose records may be longer has its own.
  if (bpf_map__value_size(object.scratch) != bpf_map__value_size(first.scratch) ||
      bpf_map__reuse_fd(object.scratch, bpf_map__fd(first.scratch)) != 0)
    size_scratch(object.scratch);
}

// Before it is attached.
void Tracer::loaded(Object& object) {
  watches_.clear();
  if (!first_ && options_.filter.cgroups > 0)
    watches_.push_back(std::make_unique<CgroupWatch>(bpf_map__fd(object.filter_cgroups), options_.cgroups, options_.units));
  if (!object.files.empty()) watches_.push_back(std::make_unique<FileWatch>(object.find_file, object.watched(), object.files));
  learn_self(object);
  if (!first_) ring_.emplace(bpf_map__fd(object.events), bpf_map__max_entries(object.events));
}

// Runs the program that finds out what user space cannot know.
void Tracer::learn_self(Object& object) {
  std::int64_t before = 0, after = 1'000'000;
  for (int i = 0; i < 10 && after - before > 100'000; i++) {  // it may be preempted meanwhile
    LIBBPF_OPTS(bpf_test_run_opts, run);
    before = boot_clock();
    if (const int e = bpf_prog_test_run_opts(bpf_program__fd(object.self), &run))
      throw Error(fmt::format("cannot find out the tool's own process id: {}", std::strerror(-e)));
    after = boot_clock();
    ahead_ = compare_clocks(before, static_cast<std::int64_t>(object.stats().clock), after);
  }
  object.stats().asked = static_cast<__u64>(options_.asked - ahead_);
}

// Those of the trees that are there already.
void Tracer::find_followed() {
  const int processes = walk(object_->seed);
  char nothing;
  if (processes < 0 || read(processes, &nothing, 1) < 0)
    throw Error(fmt::format("cannot walk the processes: {}", std::strerror(errno)));
  close(processes);
  std::atomic_ref(stats().seeded).store(1);
}

int Tracer::ring_fd() const { return bpf_map__fd(object_->events); }

void Tracer::tell_hooks(bool verbose) const {
  if (verbose) say_raw(fmt::format("{}: hooks:\n{}", tool_.name, hooks_.report()));
  for (const Blind& b : tool_.blind)
    if (!hooks_.takes(b.missing) && (b.unless.empty() || !hooks_.takes(b.unless))) say(b.what);
}

bool Tracer::consume() { return ring_->consume(receive_) != -EAGAIN; }

}  // namespace needle
