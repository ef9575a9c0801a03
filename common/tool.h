// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a tool is: its name, its columns, its BPF object, and options of its own.
#pragma once

#include "control.h"
#include "error.h"
#include "filter.h"
#include "load/map_entries.h"
#include "load/pages.h"
#include "print/columns.h"
#include "run/path_option.h"

#include <bpf/libbpf.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace needle {

// A BPF object that has been opened; it ends with this. What the common code needs of its skeleton: all belongs to that.
class Object {
 public:
  virtual ~Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  virtual int load() = 0;  // 0 or -errno; not bpf_object__load(), which does not map .rodata and .bss
  // In .bss: once it is loaded.
  virtual ::event_stats& stats() = 0;
  virtual __u64* unwanted() = 0;         // UNWANTED_SLOTS
  virtual ::dropped* dropped() = 0;      // DROPPED_SLOTS
  virtual watched_files* watched() = 0;  // null: the tool has no --file

  bpf_object* bpf = nullptr;
  bpf_map *events, *scratch, *filter_lists, *filter_cgroups, *followed, *lineages, *preloads, *rodata;
  bpf_program *self, *seed;
  bpf_program* find_file = nullptr;  // null: the tool has no --file
  std::vector<std::string> files;    // that --file names
  bpf_program* rest = nullptr;       // of tools that keep attempts until they end, and the map that has them
  bpf_map* kept = nullptr;
  // In .rodata: to be written until it is loaded.
  ::filter* filter;
  bool *direct_reads, *untyped;
  __u16* tool_number;

 protected:
  Object() = default;
};

// What an option does to an object that has been opened and not yet loaded: it sets constants of the BPF programs, or adds
// map entries.
using Setting = std::function<void(Object&, MapEntries&)>;

// An option of the tool's own. It is parsed once; what that makes is applied to each object that is opened.
struct Option {
  std::string_view flags;  // "-w,--write"
  std::string_view value;  // what its argument is called in --help; empty: it takes none
  std::string_view help;
  // Throws BadUsage. `remarks`: what to tell the user before the trace.
  Setting (*parse)(std::string_view value, std::vector<std::string>& remarks);
  std::vector<std::string_view> (*values)() = nullptr;  // the words that it takes, for completion; null: others
};

// A deed of the tool's own, harmless and without a trace, that must wake all programs of WHAT but the optional
// ones, or all of the optional ones WHAT__MECHANISM_opt_WORD: a hook can be attached where nothing ever comes
// by (see hooks.h).
struct Trial {
  std::string_view what;
  void (*deed)(Object&);
};

// What a tool does not see without programs that may be missing. Said before it traces.
struct Blind {
  std::string_view missing, unless;  // how their names begin; not said if programs of `unless` are taken
  std::string_view what;
};

// Binds a generated skeleton type.
template <class S> class Skeleton final : public Object {
 public:
  using Constants = std::remove_pointer_t<decltype(S::rodata)>;

  // `btf`: the file with the kernel's types; null: /sys has them. Null with errno.
  static std::unique_ptr<Object> open(const char* btf) {
    LIBBPF_OPTS(bpf_object_open_opts, opts);
    opts.btf_custom_path = btf;
    S* const s = S::open(&opts);
    return s ? std::unique_ptr<Object>(new Skeleton(s)) : nullptr;
  }
  ~Skeleton() override { S::destroy(s_); }

  int load() override {
    const int error = S::load(s_);
    forget_pages(s_->skeleton->data, s_->skeleton->data_sz);
    return error;
  }
  ::event_stats& stats() override { return s_->bss->stats; }
  __u64* unwanted() override { return s_->bss->unwanted; }
  ::dropped* dropped() override { return s_->bss->dropped; }
  watched_files* watched() override {
    if constexpr (requires(S s) { s.bss->files; }) return &s_->bss->files;
    else return nullptr;
  }

  // Of an object that open() has made.
  static S& of(Object& object) { return *static_cast<Skeleton&>(object).s_; }
  static Constants& constants(Object& object) { return *of(object).rodata; }

  // An option without an argument that sets a constant to true.
  template <auto Constant> static consteval Option flag(std::string_view flags, std::string_view help) {
    return {flags, "", help, [](std::string_view, std::vector<std::string>&) -> Setting {
              return [](Object& o, MapEntries&) { constants(o).*Constant = true; };
            }};
  }
  // --path, for tools that include path.bpf.h.
  static consteval Option path_prefix() {
    return {"--path", "PREFIX", "only paths that begin so (repeatable; end with / for a directory)",
            [](std::string_view value, std::vector<std::string>& remarks) -> Setting {
              return [all = path_prefixes("--path", value, remarks)](Object& o, MapEntries& entries) {
                Constants& c = constants(o);
                for (const prefix& p : all.paths) {
                  decide_by(o, entries, p, false);
                  entries.add(of(o).maps.path_prefixes, p);
                  keep_common(p, !c.path_filter, c.path_begin, c.path_begin_mask);
                  c.path_filter = true;
                }
                for (const prefix& p : all.names) entries.add(of(o).maps.asked_prefixes, p);
                c.asked_filter |= !all.names.empty();
              };
            }};
  }
  // --exclude-path and --file, likewise.
  static consteval Option exclude_path() {
    return {"--exclude-path", "PREFIX", "not paths that begin so (repeatable)",
            [](std::string_view value, std::vector<std::string>& remarks) -> Setting {
              return [all = path_prefixes("--exclude-path", value, remarks)](Object& o, MapEntries& entries) {
                for (const prefix& p : all.paths) {
                  entries.add(of(o).maps.not_prefixes, p);
                  decide_by(o, entries, p, true);
                }
                constants(o).not_path_filter = true;
              };
            }};
  }
  static consteval Option file() {
    return {"--file", "PATH", "only this file, by whatever name (repeatable)",
            [](std::string_view value, std::vector<std::string>& remarks) -> Setting {
              return [file = file_named(value, remarks)](Object& o, MapEntries& entries) {
                if (o.files.size() == FILES_MAX) throw BadUsage("--file: more than " + std::to_string(FILES_MAX) + " files");
                o.files.push_back(file.path);
                o.filter->files++;
                for (const auto* names : {&file.names.paths, &file.names.names})
                  for (const prefix& p : *names) entries.add(of(o).maps.file_names, p, static_cast<__u8>(p.bits / 8));
              };
            }};
  }

 private:
  // For those that include decide.bpf.h.
  static void decide_by(Object& o, MapEntries& entries, const prefix& p, bool left_out) {
    if constexpr (requires(S s) { s.maps.path_groups; }) {
      const auto at = [&](__u32 i) -> path_group& { return entries.value<path_group>(of(o).maps.path_groups, i); };
      __u32& n = constants(o).path_group_count;
      if (n == 0 || !put_into(at(n - 1), p, left_out)) put_into(at(n++), p, left_out);
    }
  }
  explicit Skeleton(S* s) : s_(s) {
    bpf = s->obj;
    events = s->maps.events;
    scratch = s->maps.scratch;
    filter_lists = s->maps.filter_lists;
    filter_cgroups = s->maps.filter_cgroups;
    followed = s->maps.followed;
    lineages = s->maps.lineages;
    preloads = s->maps.preloads;
    rodata = s->maps.rodata;
    self = s->progs.self__run;
    seed = s->progs.seed__run;
    if constexpr (requires { s->progs.file__run; }) find_file = s->progs.file__run;
    if constexpr (requires { s->progs.rest__run; }) {
      rest = s->progs.rest__run;
      kept = s->maps.starts;
    }
    filter = &s->rodata->filter;
    direct_reads = const_cast<bool*>(&s->rodata->direct_reads);
    untyped = &s->rodata->untyped;
    tool_number = &s->rodata->tool_number;
  }

  S* s_;
};

// How a tool's events read in the stream of all tools: see man/needle.8.
struct Timeline {
  std::span<const Phrase> what;        // one sentence of fields
  bool usual = true;                   // in the set that is traced where none are named
  std::string_view usual_option = {};  // the flags of one of the tool's options, that has no value, to go with that
};

struct Tool {
  std::string_view name;
  std::string_view event;  // what its lines are, in one word: the column of that name
  std::string_view about;
  std::string_view examples;  // for --help: lines "COMMAND\tWHAT IT SHOWS\n"
  std::string_view operands;  // for --help: what may stand behind the options, with a blank before
  std::size_t event_size;     // bytes, without the strings
  std::span<const Column> columns;
  Timeline timeline;
  const Column* err;  // whether it failed; null: no event of the tool can
  std::span<const Option> options;
  std::span<const Trial> trials;
  std::span<const Blind> blind;
  std::unique_ptr<Object> (*open)(const char* btf);  // see Skeleton::open()
};

template <class S, Event E> consteval Tool make_tool(std::string_view name, std::string_view event, std::string_view about,
                                                     std::string_view examples, std::span<const Column> columns,
                                                     Timeline timeline, std::span<const Option> options = {},
                                                     std::span<const Trial> trials = {}, std::span<const Blind> blind = {}) {
  const auto err = std::ranges::find(columns, "err", &Column::name);
  return {name,    event,  about, examples,         "", sizeof(E), columns, timeline, err == columns.end() ? nullptr : &*err,
          options, trials, blind, Skeleton<S>::open};
}

}  // namespace needle
