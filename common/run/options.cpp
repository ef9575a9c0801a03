// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/options.h"

#include "run/complete.h"
#include "run/habits.h"
#include "run/help.h"
#include "run/nearest.h"
#include "run/selection.h"
#include "run/words.h"
#include "who/cgroup_watch.h"
#include "who/present.h"
#include "who/users.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <climits>
#include <cstring>

namespace needle {
namespace {

using Words = std::vector<std::string>;

// A list of processes or threads, of which some may have ended when the tool starts.
struct Ids {
  ::list list;
  std::string_view option, kind;
  std::vector<__u32> gone;
};

// The kernel is asked, not /proc, which may be absent, or hide what belongs to others.
bool exists(__u32 id) { return kill(static_cast<pid_t>(id), 0) == 0 || errno == EPERM; }

__u32 session_id(const std::string& text) {
  __u32 id = 0;
  if (!to_number(text, id))  // 0: of processes since whose start nobody has called setsid()
    throw BadUsage(
        fmt::format("--session: '{}' is not a session id; give the process id of its leader, as ps -o sid prints it", text));
  return id;
}

__u32 user_id(std::string_view option, const std::string& text) {
  __u32 id = 0;
  if (to_number(text, id)) return id;
  if (const auto user = find_user(text)) return user->uid;
  throw BadUsage(fmt::format("{}: there is no user '{}' in /etc/passwd; give one that is, or a number", option, text));
}

void add(Options& o, ::list list, __u32 value) {
  const auto same = [&](const ::listed& l) { return l.list == list && l.value == value; };
  if (std::ranges::any_of(o.listed, same)) return;
  ::filter_list& l = o.filter.lists[list];
  if (l.count++ == 0) l.first = value;
  o.listed.push_back({list, value});
}

void add_id(Options& o, Ids& ids, const std::string& text) {
  __u32 id = 0;
  if (text.empty())
    throw BadUsage(fmt::format("{}: no id is given; if it is what pidof or pgrep printed, they found no process", ids.option));
  if (!to_number(text, id) || id == 0 || id > INT_MAX)
    throw BadUsage(fmt::format("{}: '{}' is not a {} id; give a number, as in {} 1234", ids.option, text, ids.kind, ids.option));
  if (exists(id)) add(o, ids.list, id);
  else ids.gone.push_back(id);
}

// Of a list that pidof(1) or pgrep(1) made, one may have ended meanwhile; if all have, there is nothing to trace.
void check_ids(Options& o, const Ids& ids) {
  if (ids.gone.empty()) return;
  const std::string text = fmt::format("{}: there is no {} {}", ids.option, ids.kind, fmt::join(ids.gone, ", "));
  if (o.filter.lists[ids.list].count == 0)
    throw BadUsage(fmt::format("{}; ps -e{} lists them", text, ids.kind == "thread" ? "L" : ""));
  o.remarks.push_back(text + " any more; going on with the others");
}

bool in_initial_pid_namespace() {
  constexpr ino_t kInitial = 0xEFFFFFFC;  // include/linux/proc_ns.h: PROC_PID_INIT_INO
  struct stat st {};
  return stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == kInitial;
}

void add_name(std::string_view option, filter_name (&names)[NAMES_MAX], __u32& count, const std::string& text,
              std::vector<std::string>& remarks) {
  filter_name name{};
  if (text.empty() || text.size() >= sizeof name.bytes)
    throw BadUsage(
        fmt::format("{}: '{}' has {} bytes; process names have 1 to {}", option, text, text.size(), sizeof name.bytes - 1));
  if (count == NAMES_MAX) throw BadUsage(fmt::format("{}: more than {} names", option, NAMES_MAX));
  std::memcpy(name.bytes, text.data(), text.size());
  std::memset(name.mask, 0xff, text.size());
  names[count++] = name;
  if (text.find_first_of("*?[^$|") != text.npos || text.find(".+") != text.npos)
    remarks.push_back(fmt::format("{} {}: a part of the name, no pattern: all characters stand for themselves", option, text));
}

// It need not be there yet, but the one above it is to be a cgroup: else it is misspelt.
void add_cgroup(Options& o, const std::string& path) {
  struct statfs fs {};
  std::string there = path;
  while (statfs(there.c_str(), &fs) != 0)
    if (const std::size_t slash = there.find_last_of('/'); errno == ENOENT && slash != there.npos && slash > 0)
      there.resize(slash);
    else throw BadUsage(fmt::format("--cgroup: {}: {}; give a directory below the cgroup v2 mount", path, strerror(errno)));
  struct stat status {};
  if (there == path && stat(path.c_str(), &status) == 0 && !S_ISDIR(status.st_mode))
    throw BadUsage(fmt::format("--cgroup: {} is no directory", path));
  if (fs.f_type != CGROUP2_SUPER_MAGIC)
    throw BadUsage(fmt::format("--cgroup: {} is not in a cgroup v2 file system; findmnt -t cgroup2 shows where it is", path));
  if (o.filter.cgroups == CGROUPS_MAX) throw BadUsage(fmt::format("--cgroup: more than {} directories", CGROUPS_MAX));
  o.cgroups.push_back(path);
  o.filter.cgroups++;
}

// Of systemd's: one that does not run has no cgroup yet.
void add_unit(Options& o, std::string name) {
  if (name.empty() || name.find('/') != name.npos)
    throw BadUsage(fmt::format("--unit: '{}' is no unit; give a name as systemctl prints it, such as nginx.service", name));
  if (name.rfind('.') == name.npos) name += ".service";
  if (cgroup_mount().empty()) throw BadUsage("--unit: no cgroup v2 file system is mounted, which tells the units");
  if (o.filter.cgroups == CGROUPS_MAX) throw BadUsage(fmt::format("--unit: more than {} units and directories", CGROUPS_MAX));
  o.units.push_back(name);
  o.filter.cgroups++;
}

// `kind`: as in /proc/PID/ns.
__u32 ns_id(std::string_view option, std::string_view kind, const std::string& text) {
  constexpr unsigned long kFirstId = 0xF0000000ul;  // include/linux/proc_ns.h: dynamic ids start there
  unsigned long value = 0;
  if (!to_number(text, value) || value == 0 || value > 0xfffffffful)
    throw BadUsage(
        fmt::format("{}: '{}' is neither a namespace nor a process id; give a number of lsns -t {}", option, text, kind));
  struct stat st {};
  if (value < kFirstId - 0x10) {
    if (stat(fmt::format("/proc/{}/ns/{}", text, kind).c_str(), &st) != 0)
      throw BadUsage(fmt::format("{}: cannot see the {} namespace of process {}: {}; give a number of lsns -t {}", option, kind,
                                 text, strerror(errno), kind));
    value = st.st_ino;
  }
  return static_cast<__u32>(value);
}

unsigned buffer_size(const std::string& text) {
  std::string_view digits = text;
  unsigned unit = 1;
  if (!digits.empty() && digits.back() == 'K') unit = 1u << 10;
  if (!digits.empty() && digits.back() == 'M') unit = 1u << 20;
  if (unit != 1) digits.remove_suffix(1);
  unsigned long long size = 0;
  if (!to_number(digits, size) || size > (1ull << 30) || size * unit > (1ull << 30) || size * unit < 4096 ||
      !std::has_single_bit(size * unit))
    throw BadUsage(fmt::format("--buffer: '{}' is not a size; give a power of two from 4K to 1024M, such as 16M", text));
  return static_cast<unsigned>(size * unit);
}

// "100M" is a size, "1h" a time.
Rotate rotation(const std::string& text) {
  Rotate rotate;
  unsigned long long n = 0;
  const std::size_t unit = std::string_view("KMGsmhd").find(text.empty() ? ' ' : text.back());
  constexpr unsigned long long units[] = {1ull << 10, 1ull << 20, 1ull << 30, 1, 60, 3600, 86400};
  if (unit == std::string_view::npos || !to_number(std::string_view(text).substr(0, text.size() - 1), n) || n == 0 ||
      n > 1'000'000)
    throw BadUsage(
        fmt::format("--rotate: '{}' is neither a size nor a time; give one such as 100M or 1h (K, M, G; s, m, h, d)", text));
  if (unit < 3) rotate.bytes = n * units[unit];
  else rotate.time = std::chrono::seconds(n * units[unit]);
  return rotate;
}

const Column& column_named(const Tool& tool, std::string_view name) {
  for (const Column& c : tool.columns)
    if (c.name == name) return c;
  if (name == "json") throw BadUsage("--columns: there is no column 'json'; for lines of JSON write -j");
  if (name.find_first_of("./") != name.npos)
    throw BadUsage(fmt::format("--columns: '{}' is no column; to write into a file, --output {}", name, name));
  std::vector<std::string_view> names;
  for (const Column& c : tool.columns) names.push_back(c.name);
  const std::string_view like = nearest(name, names);
  throw BadUsage(fmt::format("--columns: there is no column '{}'{}; {} --help lists them", name,
                             like.empty() ? "" : fmt::format(", did you mean {}?", like), tool.name));
}

// "pid,path" are these; "+time" is the usual ones and time, each in its place.
Columns chosen_columns(const Tool& tool, const Words& words, bool all, bool json) {
  Columns listed, added;
  for (const std::string& word : words) {
    if (word.starts_with('+')) added.push_back(&column_named(tool, std::string_view(word).substr(1)));
    else if (const Column* c = &column_named(tool, word); std::ranges::find(listed, c) == listed.end()) listed.push_back(c);
  }
  if (!listed.empty()) {
    for (const Column* c : added)
      if (std::ranges::find(listed, c) == listed.end()) listed.push_back(c);
    return listed;
  }
  Columns columns;
  for (const Column& c : tool.columns)
    if (all || (json ? !c.extra : c.shown) || std::ranges::find(added, &c) != added.end()) columns.push_back(&c);
  return columns;
}

// "10", "0.5", "10s", "5m", "1h", "250ms". Returns seconds; 0: it is none.
double seconds_of(std::string_view text) {
  constexpr std::pair<std::string_view, double> kUnits[] = {{"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}, {"", 1}};
  for (const auto& [name, factor] : kUnits) {
    double number = 0;
    if (!text.ends_with(name) || !to_number(text.substr(0, text.size() - name.size()), number)) continue;
    return number > 0 && number * factor <= 1e9 ? number * factor : 0;
  }
  return 0;
}

// What a word that is no option may have been meant for.
std::string answer_to(const CLI::App& app, const Tool& tool, const std::string& word) {
  if (word.starts_with('-')) {
    const std::string option = word.substr(0, word.find('='));
    if (const std::string_view instead = instead_of(option); !instead.empty())
      return fmt::format("there is no option {}; {}", option, instead);
    std::vector<std::string> all;
    for (const CLI::Option* o : app.get_options())
      for (const std::string& name : o->get_lnames()) all.push_back("--" + name);
    const std::string_view like = option.starts_with("--") ? nearest(option, {all.begin(), all.end()}) : std::string_view{};
    return fmt::format("there is no option {}{}; see {} --help", word,
                       like.empty() ? "" : fmt::format(", did you mean {}?", like), tool.name);
  }
  const bool runs = access(word.c_str(), X_OK) == 0;
  if (word.find('/') != word.npos && !runs && app.get_option_no_throw("--file"))
    return fmt::format("'{}' is no option; for events of that file write --file {}; to trace a command, -- COMMAND", word, word);
  return fmt::format("'{}' is no option; to trace a command, write {} -- {}", word, tool.name, word);
}

// All of them, by groups, in the order in which they were added. What has no group is no option.
std::vector<HelpOption> help_options(const CLI::App& app) {
  std::vector<HelpOption> all;
  for (const std::string& group : app.get_groups())
    for (const CLI::Option* o : app.get_options()) {
      if (o->get_group() != group || group.empty()) continue;
      const auto first = [](const std::vector<std::string>& names) { return names.empty() ? std::string() : names.front(); };
      all.push_back({group, first(o->get_snames()), first(o->get_lnames()), o->get_type_name(), o->get_description()});
    }
  return all;
}

}  // namespace

int parse_options(const Tool& tool, int argc, char** argv, Options& o, Selection* selection) {
  CLI::App app{std::string(tool.about), std::string(tool.name)};
  app.set_help_flag();
  bool help = false, brief_help = false, version = false, extended = false, list_tools = false;
  Words columns;

  // One that may be given several times: `each` is called for each of its words.
  const auto words = [&app](std::string_view flags, std::string_view type, std::string_view text, const std::string& group,
                            auto each) {
    return app
        .add_option_function<Words>(
            std::string(flags),
            [each](const Words& all) {
              for (const auto& w : all) each(w);
            },
            std::string(text))
        ->allow_extra_args(false)
        ->type_name(std::string(type))
        ->group(group);
  };
  const std::string own_group =
      selection ? "Options of single events, written behind them" : fmt::format("Options of {}", tool.name);
  for (const Option& own : tool.options) {
    const auto parse = [&o, &own](std::string_view value) { o.own.push_back(own.parse(value, o.remarks)); };
    if (!own.value.empty()) words(own.flags, own.value, own.help, own_group, parse);
    else
      app.add_flag_callback(
             std::string(own.flags), [parse] { parse({}); }, std::string(own.help))
          ->group(own_group);
  }

  if (selection) {
    app.add_option_function<Words>("EVENT",
                                   [selection](const Words& all) {
                                     for (const auto& w : all) selection->name(w);
                                   })
        ->group("");
    for (const Selection::Choice& choice : selection->choices()) {
      const auto give = [selection, &choice](std::string_view value) { selection->give(choice, value); };
      if (!choice.value.empty()) words(choice.flags, choice.value, choice.help, own_group, give);
      else
        app.add_flag_callback(
               choice.flags, [give] { give({}); }, choice.help)
            ->group(own_group);
    }
  }

  constexpr const char* kFilters = "Filters (all that are given must match; of a list or a repeated one, any)";
  constexpr const char* kOutput = "Output";
  constexpr const char* kRun = "Running";
  const auto repeated = [&](const char* flags, const char* type, const char* text, auto each) {
    return words(flags, type, text, kFilters, each);
  };
  const auto list = [&](const char* flags, const char* type, const char* text, auto each) {
    repeated(flags, type, text, [each](const std::string& all) {
      bool any = false;
      for_each_word(all, [&](std::string_view word) {
        if (word.empty()) return;
        each(std::string(word));
        any = true;
      });
      if (!any) each("");
    });
  };
  const auto one = [&](const char* flags, const char* type, const char* text, const char* group, auto set) {
    app.add_option_function<std::string>(flags, set, text)->type_name(type)->group(group);
  };
  ::filter& f = o.filter;
  Ids pids{LIST_PID, "--pid", "process", {}}, tids{LIST_TID, "--tid", "thread", {}}, trees{LIST_TREE, "--tree", "process", {}},
      ppids{LIST_PPID, "--ppid", "process", {}}, not_pids{LIST_NOT_PID, "--exclude-pid", "process", {}},
      targets{LIST_TARGET, "--target", "process", {}};
  o.asked = boot_clock();
  if (!in_initial_pid_namespace()) f.set |= FILTER_OWN_IDS;
  list("-p,--pid", "LIST", "only these processes: ids, separated by commas", [&](const std::string& w) { add_id(o, pids, w); });
  if (std::ranges::find(tool.columns, "tpid", &Column::name) != tool.columns.end())
    list("--target", "LIST", "only what is done to these processes", [&](const std::string& w) { add_id(o, targets, w); });
  list("-t,--tid", "LIST", "only these threads", [&](const std::string& w) { add_id(o, tids, w); });
  list("--ppid", "LIST", "only children of these processes", [&](const std::string& w) { add_id(o, ppids, w); });
  list("--tree", "LIST", "only these processes and all that descend from them", [&](const std::string& w) {
    add_id(o, trees, w);
    o.filter.set |= FILTER_TREE;
  });
  list("-u,--uid", "LIST", "only these users: names or real user ids",
       [&o](const std::string& w) { add(o, LIST_UID, user_id("--uid", w)); });
  list("--euid", "LIST", "only with these effective users, as setuid programs have",
       [&o](const std::string& w) { add(o, LIST_EUID, user_id("--euid", w)); });
  repeated("-n,--comm", "NAME", "only processes with this in their name",
           [&](const std::string& v) { add_name("--comm", f.name, f.names, v, o.remarks); });
  app.add_flag_callback(
         "-x,--failed",
         [&f, selection] {
           if (selection) selection->only_failed();
           else f.set |= FILTER_FAILED;
         },
         "only what failed")
      ->group(kFilters);
  list("--session", "LIST", "only these sessions: the process ids of their leaders",
       [&o](const std::string& w) { add(o, LIST_SESSION, session_id(w)); });
  repeated("--cgroup", "PATH", "only what runs below this cgroup v2 directory", [&o](const std::string& v) { add_cgroup(o, v); });
  list("--unit", "LIST", "only these units of systemd, also when they start later",
       [&o](const std::string& w) { add_unit(o, w); });
  list("--mnt-ns", "ID|PID", "only this mount namespace, or that of a process",
       [&o](const std::string& w) { add(o, LIST_MNT_NS, ns_id("--mnt-ns", "mnt", w)); });
  list("--pid-ns", "ID|PID", "only this pid namespace, or that of a process",
       [&o](const std::string& w) { add(o, LIST_PID_NS, ns_id("--pid-ns", "pid", w)); });
  const auto container = [&](const char* option, const char* text, const char* kind, std::vector<std::string>& names) {
    list(option, "LIST", text, [&f, option, kind, &names](const std::string& w) {
      check_container_name(option, kind + w);
      names.push_back(kind + w);
      f.set |= FILTER_CONTAINER;
    });
  };
  container("--container", "only these containers: names, ids, pod/NAME, ns/NAMESPACE", "", o.containers.wanted);
  container("--pod", "only these pods of Kubernetes, such as 'shop-*'", "pod/", o.containers.pods);
  container("--namespace", "only these namespaces of Kubernetes", "ns/", o.containers.namespaces);
  app.add_flag_callback(
         "--host",
         [&] {
           o.containers.host = true;
           f.set |= FILTER_CONTAINER;
         },
         "only what is in no container")
      ->group(kFilters);
  list("--exclude-pid", "LIST", "not these processes", [&](const std::string& w) { add_id(o, not_pids, w); });
  list("--exclude-uid", "LIST", "not these users",
       [&o](const std::string& w) { add(o, LIST_NOT_UID, user_id("--exclude-uid", w)); });
  repeated("--exclude-comm", "NAME", "not processes with this in their name",
           [&](const std::string& v) { add_name("--exclude-comm", f.not_name, f.not_names, v, o.remarks); });
  container("--exclude-container", "not these containers", "", o.containers.unwanted);

  app.add_option("-o,--columns", columns, "columns to show; +NAME adds one")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("LIST")
      ->group(kOutput);
  app.add_flag("-j,--json", o.json, "one JSON object a line, with all columns but those that cost")->group(kOutput);
  app.add_flag_callback(
         "-T,--time", [&columns] { columns.emplace_back("+time"); }, "add the time: -o +time")
      ->group(kOutput);
  app.add_flag_callback(
         "-U,--show-uid", [&columns] { columns.emplace_back("+uid"); }, "add the user id: -o +uid")
      ->group(kOutput);
  app.add_flag_callback(
         "-C,--containers",
         [&columns] {
           for (const char* name : {"+container", "+container_name", "+pod"}) columns.emplace_back(name);
         },
         "add the container: -o +container,+container_name,+pod")
      ->group(kOutput);
  app.add_flag("-e,--extended", extended, "all columns")->group(kOutput);
  app.add_flag_callback(
         "--no-heading", [&o] { o.heading = false; }, "no heading; in JSON no record of the beginning and the end")
      ->group(kOutput);
  app.add_flag("--summary", o.summary, "counts of the columns instead of lines, at the end and on Ctrl-\\")->group(kOutput);
  one("--top", "N", "the N highest counts; on a terminal every second", kOutput, [&o](const std::string& v) {
    if (!to_number(v, o.top) || o.top == 0) throw BadUsage(fmt::format("--top: '{}'; give a number above 0", v));
    o.summary = true;
  });
  app.add_flag("--journal", o.journal, "into the systemd journal, columns as fields")->group(kOutput);
  app.add_flag_callback("--utc", use_utc, "times of the table in UTC")->group(kOutput);
  one("--output", "FILE", "write to this file, not to standard output", kOutput, [&o](const std::string& v) {
    if (v.empty()) throw BadUsage("--output: '' names no file");
    o.output = v;
  });
  one("--rotate", "SIZE|TIME", "go on in a new file after so much, such as 100M or 1h", kOutput,
      [&o](const std::string& v) { o.rotate = rotation(v); });
  app.add_flag("--wide", o.wide, "do not cut lines to the width of the terminal")->group(kOutput);
  one("--color", "auto|always|never", "whether to colour the table (default auto)", kOutput, [&o](const std::string& v) {
    if (v != "auto" && v != "always" && v != "never") throw BadUsage(fmt::format("--color: '{}'; give auto, always or never", v));
    o.colour = v == "auto" ? Colour::automatic : v == "always" ? Colour::always : Colour::never;
  });

  one("-d,--duration", "TIME", "stop after so long: seconds, or such as 5m", kRun, [&o](const std::string& v) {
    o.duration = seconds_of(v);
    if (o.duration == 0)
      throw BadUsage(fmt::format("--duration: '{}' is not a time; give seconds above 0, such as 10 or 0.5, or 5m, 1h", v));
  });
  one("--count", "N", "stop after so many events", kRun, [&o](const std::string& v) {
    if (!to_number(v, o.count) || o.count == 0) throw BadUsage(fmt::format("--count: '{}'; give a number above 0", v));
  });
  one("--buffer", "SIZE", "ring buffer: a power of two (default 4M)", kRun,
      [&o](const std::string& v) { o.buffer = buffer_size(v); });
  one("--hook", "fentry|tp", "only this kind of hook, where there is one", kRun, [&o](const std::string& v) {
    if (v != "fentry" && v != "tp") throw BadUsage(fmt::format("--hook: '{}'; give fentry or tp", v));
    o.hook = v;
  });
  one("--run-as", "USER", "run COMMAND as this user, not as who called sudo", kRun, [&o](const std::string& v) { o.run_as = v; });
  one("--btf", "FILE", "the kernel's types, where it has none in /sys", kRun, [&o](const std::string& v) { o.btf = v; });
  app.add_flag("-v,--verbose", o.verbose, "say which hooks were taken and which refused")->group(kRun);
  if (selection) app.add_flag("--list", list_tools, "print what can be traced")->group(kRun);
  app.add_flag("-V,--version", version, "print the version")->group(kRun);
  app.add_flag("-h", brief_help, "print the most used options, on one screen")->group(kRun);
  app.add_flag("--help", help, "print this: all options, examples and columns")->group(kRun);

  if (argc > 1 && argv[1] == std::string_view("--complete")) {  // not for people: see completion/
    fmt::print("{}", completions(tool, help_options(app), std::vector<std::string>(argv + 2, argv + argc),
                                 selection ? selection->tools() : std::span<const Tool* const>{}));
    return 0;
  }
  const auto end = std::find(argv, argv + argc, std::string_view("--"));
  // Between commas, for several tools: what is shared counts wherever it stands.
  const auto parse_part = [&](char** from, char** to) {
    std::vector<std::string> part{argv[0]};
    part.insert(part.end(), from, to);
    part = in_our_words(tool.name, part);
    std::vector<const char*> pointers;
    for (const std::string& word : part) pointers.push_back(word.c_str());
    app.parse(static_cast<int>(pointers.size()), pointers.data());
    for (const CLI::Option* given : app.get_options())
      if (given->count() > 0 && (given->get_group() == kFilters || given->get_group() == own_group))
        o.filters.emplace_back(given->get_name().substr(given->get_name().find_first_not_of('-')), given->results());
    if (selection && !help && !brief_help && !version && !list_tools)
      selection->end_part(from == argv + 1 && to == end, o.remarks);
  };
  try {
    for (char** from = argv + 1;; from++) {
      char** const to = selection ? std::find(from, end, std::string_view(",")) : end;
      parse_part(from, to);
      if ((from = to) == end) break;
    }
  } catch (const CLI::ExtrasError& e) {
    throw BadUsage(answer_to(app, tool, app.remaining().front()));
  } catch (const CLI::ParseError& e) {
    std::string what = e.what();
    what = what.substr(0, what.find('\n'));
    throw BadUsage(fmt::format("{}; see {} --help", what, tool.name));
  }
  if (help || brief_help) {
    fmt::print("{}", help ? long_help(tool, help_options(app)) : short_help(tool, help_options(app)));
    return 0;
  }
  if (list_tools) {
    fmt::print("{}", selection->list());
    return 0;
  }
  if (version) {
    fmt::print("{} {}\n", tool.name, NEEDLE_VERSION);
    return 0;
  }
  for (const Ids* ids : {&pids, &tids, &ppids, &trees, &not_pids, &targets}) check_ids(o, *ids);
  for (const ::listed& l : o.listed) {
    const bool mnt = l.list == LIST_MNT_NS;
    if (l.list == LIST_SESSION && !session_has_processes(l.value))
      o.remarks.push_back(fmt::format("--session {}: no process is seen in that session now", l.value));
    if ((mnt || l.list == LIST_PID_NS) && !namespace_has_processes(mnt ? "mnt" : "pid", l.value))
      o.remarks.push_back(fmt::format("--{}-ns {}: no process is seen in that namespace now", mnt ? "mnt" : "pid", l.value));
  }
  if (end != argv + argc) {
    o.command.assign(end + 1, argv + argc);
    if (o.command.empty()) throw BadUsage(fmt::format("--: give a command behind it, as in {} -- ls -l", tool.name));
    f.set |= FILTER_TREE | FILTER_COMMAND;
    for (const Ids* ids : {&pids, &tids})
      if (f.lists[ids->list].count > 0 && f.lists[LIST_TREE].count == 0)
        throw BadUsage(
            fmt::format("{} and a command: it is a new {}, none of these; leave one of the two out", ids->option, ids->kind));
  }
  if (!o.run_as.empty() && o.command.empty()) throw BadUsage("--run-as: there is no command to run; give it behind --");
  if (o.output.empty() && (o.rotate.bytes > 0 || o.rotate.time.count() > 0))
    throw BadUsage("--rotate: standard output is no file; name one with --output FILE");
  if (o.journal && (o.json || o.summary || !o.output.empty()))
    throw BadUsage("--journal: give it without --json, --summary and --output: it is instead of them");
  o.command_line.assign(argv, argv + argc);
  if (selection)  // the objects are those of the tools alone; of columns that are named, what a tool has
    o.columns_of = [columns, extended](const Tool& of) {
      Words has;
      for (const std::string& word : columns)
        if (std::ranges::find(of.columns, std::string_view(word).substr(word.starts_with('+')), &Column::name) !=
            of.columns.end())
          has.push_back(word);
      return chosen_columns(of, has, extended, true);
    };
  o.columns = chosen_columns(tool, columns, extended, (o.json || o.journal) && !o.summary);
  return -1;
}

}  // namespace needle
