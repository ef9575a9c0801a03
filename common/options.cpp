// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "options.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <linux/magic.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <charconv>

namespace needle {
namespace {

using Words = std::vector<std::string>;

template <class T> bool to_number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && error == std::errc{} && end == text.data() + text.size();
}

__u32 process_id(std::string_view option, std::string_view kind, const std::string& text) {
  __u32 id = 0;
  if (!to_number(text, id) || id == 0)
    throw BadUsage(fmt::format("{}: '{}' is not a {} id; give a number, as in {} 1234", option, text, kind, option));
  if (access(("/proc/" + text).c_str(), F_OK) != 0)
    throw BadUsage(fmt::format("{}: there is no {} {}; ps -e{} lists them", option, kind, text, kind == "thread" ? "L" : ""));
  return id;
}

__u32 user_id(const std::string& text) {
  __u32 id = 0;
  if (to_number(text, id)) return id;
  if (const passwd* user = getpwnam(text.c_str())) return user->pw_uid;
  throw BadUsage(fmt::format("--uid: there is no user '{}'; give a name of getent passwd or a number", text));
}

// A filter on a list of numbers: one is compared, more are looked up.
void set_list(::filter& f, filter_bits one, filter_bits many, __u32& value, std::vector<__u32>& list, __u32 added) {
  if (std::ranges::find(list, added) == list.end()) list.push_back(added);
  value = list.front();
  f.set = (f.set & ~__u32(one | many)) | (list.size() == 1 ? one : many);
}

void set_comm(::filter& f, const std::string& text) {
  if (text.empty() || text.size() >= sizeof f.comm)
    throw BadUsage(fmt::format("--comm: '{}' has {} bytes; process names have 1 to {}", text, text.size(), sizeof f.comm - 1));
  text.copy(f.comm, sizeof f.comm - 1);
  f.comm_len = static_cast<__u32>(text.size());
  f.set |= FILTER_COMM;
}

void set_cgroup(Options& o, const std::string& path) {
  struct statfs fs{};
  if (statfs(path.c_str(), &fs) != 0)
    throw BadUsage(fmt::format("--cgroup: {}: {}; give a directory below the cgroup v2 mount", path, strerror(errno)));
  if (fs.f_type != CGROUP2_SUPER_MAGIC)
    throw BadUsage(fmt::format("--cgroup: {} is not in a cgroup v2 file system; findmnt -t cgroup2 shows where it is", path));
  o.cgroup = path;
  o.filter.set |= FILTER_CGROUP;
}

void set_mnt_ns(::filter& f, const std::string& text) {
  constexpr unsigned long kFirstId = 0xF0000000ul;  // include/linux/proc_ns.h: dynamic ids start there
  unsigned long value = 0;
  if (!to_number(text, value) || value == 0)
    throw BadUsage(fmt::format("--mnt-ns: '{}' is neither a namespace nor a process id; give a number of lsns -t mnt", text));
  struct stat st{};
  if (value < kFirstId - 0x10) {
    if (stat(("/proc/" + text + "/ns/mnt").c_str(), &st) != 0)
      throw BadUsage(fmt::format("--mnt-ns: cannot see the mount namespace of process {}: {}", text, strerror(errno)));
    value = st.st_ino;
  }
  f.mnt_ns = static_cast<__u32>(value);
  f.set |= FILTER_MNT_NS;
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

const Column& column_named(std::string_view name) {
  for (const Column& c : tool.columns)
    if (c.name == name) return c;
  std::string names;
  for (const Column& c : tool.columns) names += fmt::format("{}{}", names.empty() ? "" : " ", c.name);
  throw BadUsage(fmt::format("--columns: there is no column '{}'; there are: {}", name, names));
}

// "pid,path" are these; "+time" is the usual ones and time, each in its place.
Columns chosen_columns(const Words& words, bool all, bool json) {
  Columns listed, added;
  for (const std::string& word : words) {
    if (word.starts_with('+')) added.push_back(&column_named(std::string_view(word).substr(1)));
    else if (const Column* c = &column_named(word); std::ranges::find(listed, c) == listed.end()) listed.push_back(c);
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

constexpr std::size_t kScreen = 80;

// `left`, and `text` beside it from `indent` on, broken between words.
std::string entry(std::string left, std::size_t indent, std::string_view text) {
  std::size_t width = left.size();
  const auto new_line = [&] { left += fmt::format("\n{:{}}", "", indent), width = indent; };
  if (width + 2 > indent) new_line();
  else left.resize(width = indent, ' ');
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (width > indent && width + 1 + end >= kScreen) new_line();
    if (width > indent) left += ' ', width++;
    left += text.substr(0, end);
    width += end;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return left + '\n';
}

std::string help_examples() {
  std::string text = "\nExamples:\n";
  for (std::string_view rest = tool.examples; !rest.empty();) {
    const std::size_t tab = rest.find('\t'), end = rest.find('\n');
    text += entry(fmt::format("  {}", rest.substr(0, tab)), 42, rest.substr(tab + 1, end - tab - 1));
    rest.remove_prefix(end + 1);
  }
  return text;
}

// Also what completion/needle reads.
std::string help_options(const CLI::App& app) {
  std::string text;
  for (const std::string& group : app.get_groups()) {
    text += fmt::format("\n{}:\n", group);
    for (const CLI::Option* o : app.get_options()) {
      if (o->get_group() != group) continue;
      std::string flags = "  ";
      for (const std::string& letter : o->get_snames()) flags += "-" + letter;
      for (const std::string& name : o->get_lnames()) flags += (o->get_snames().empty() ? "    --" : ", --") + name;
      if (!o->get_type_name().empty()) flags += " " + o->get_type_name();
      text += entry(flags, 28, o->get_description());
    }
  }
  return text;
}

std::string help_columns() {
  std::string text = "\nColumns (those in capitals are shown unless -o says otherwise):\n";
  for (const Column& c : tool.columns) {
    std::string name(c.name);
    if (c.shown) std::ranges::transform(name, name.begin(), [](unsigned char ch) { return static_cast<char>(std::toupper(ch)); });
    text += entry("  " + name, 15, c.help);
  }
  return text;
}

}  // namespace

int parse_options(int argc, char** argv, Options& o) {
  CLI::App app{std::string(tool.about), std::string(tool.name)};
  app.set_help_flag();
  bool help = false, version = false, extended = false;
  Words columns;

  for (const Option& own : tool.options) {
    CLI::Option* added;
    if (own.value.empty())
      added = app.add_flag_callback(std::string(own.flags), [&o, &own] { o.own.emplace_back(&own, ""); }, std::string(own.help));
    else
      added = app.add_option_function<Words>(
                     std::string(own.flags),
                     [&o, &own](const Words& words) { for (const auto& w : words) o.own.emplace_back(&own, w); },
                     std::string(own.help))
                  ->allow_extra_args(false)->type_name(std::string(own.value));
    added->group(fmt::format("Options of {}", tool.name));
  }

  const auto list = [&](const char* flags, const char* type, const char* text, auto each) {
    app.add_option_function<Words>(flags, [each](const Words& words) { for (const auto& w : words) each(w); }, text)
        ->delimiter(',')->allow_extra_args(false)->type_name(type)->group("Filters (an event must pass all of them)");
  };
  const auto one = [&](const char* flags, const char* type, const char* text, const char* group, auto set) {
    app.add_option_function<std::string>(flags, set, text)->type_name(type)->group(group);
  };
  constexpr const char* kFilters = "Filters (an event must pass all of them)";
  constexpr const char* kOutput = "Output";
  constexpr const char* kRun = "Running";
  list("-p,--pid", "LIST", "only these processes: ids, separated by commas", [&o](const std::string& w) {
    set_list(o.filter, FILTER_PID, FILTER_PIDS, o.filter.pid, o.pids, process_id("--pid", "process", w));
  });
  list("-t,--tid", "LIST", "only these threads", [&o](const std::string& w) {
    set_list(o.filter, FILTER_TID, FILTER_TIDS, o.filter.tid, o.tids, process_id("--tid", "thread", w));
  });
  list("-u,--uid", "LIST", "only these users: names or real user ids", [&o](const std::string& w) {
    set_list(o.filter, FILTER_UID, FILTER_UIDS, o.filter.uid, o.uids, user_id(w));
  });
  one("-n,--comm", "NAME", "only processes with this in their name", kFilters, [&o](const std::string& v) { set_comm(o.filter, v); });
  app.add_flag_callback("-x,--failed", [&o] { o.filter.set |= FILTER_FAILED; }, "only what failed")->group(kFilters);
  one("--cgroup", "PATH", "only what runs below this cgroup v2 directory", kFilters, [&o](const std::string& v) { set_cgroup(o, v); });
  one("--mnt-ns", "ID|PID", "only this mount namespace, or that of a process", kFilters,
      [&o](const std::string& v) { set_mnt_ns(o.filter, v); });

  app.add_option("-o,--columns", columns, "columns to show; +NAME adds one")
      ->delimiter(',')->allow_extra_args(false)->type_name("LIST")->group(kOutput);
  app.add_flag("-j,--json", o.json, "one JSON object a line, with all columns but those that cost")->group(kOutput);
  app.add_flag_callback("-T,--time", [&columns] { columns.emplace_back("+time"); }, "add the time: -o +time")->group(kOutput);
  app.add_flag_callback("-U,--show-uid", [&columns] { columns.emplace_back("+uid"); }, "add the user id: -o +uid")->group(kOutput);
  app.add_flag_callback("-C,--containers", [&columns] {
    for (const char* name : {"+container", "+container_name", "+pod"}) columns.emplace_back(name);
  }, "add the container: -o +container,+container_name,+pod")->group(kOutput);
  app.add_flag("-e,--extended", extended, "all columns")->group(kOutput);
  app.add_flag_callback("--no-heading", [&o] { o.heading = false; }, "no heading")->group(kOutput);
  one("--color", "auto|always|never", "whether to colour the table (default auto)", kOutput, [&o](const std::string& v) {
    if (v != "auto" && v != "always" && v != "never")
      throw BadUsage(fmt::format("--color: '{}'; give auto, always or never", v));
    o.colour = v == "auto" ? Colour::automatic : v == "always" ? Colour::always : Colour::never;
  });

  one("-d,--duration", "SECONDS", "stop after so long", kRun, [&o](const std::string& v) {
    if (!to_number(v, o.duration) || !(o.duration > 0) || o.duration > 1e9)
      throw BadUsage(fmt::format("--duration: '{}' is not a time; give seconds above 0, such as 10 or 0.5", v));
  });
  one("--count", "N", "stop after so many events", kRun, [&o](const std::string& v) {
    if (!to_number(v, o.count) || o.count == 0) throw BadUsage(fmt::format("--count: '{}'; give a number above 0", v));
  });
  one("--buffer", "SIZE", "ring buffer: a power of two (default 4M)", kRun, [&o](const std::string& v) { o.buffer = buffer_size(v); });
  one("--hook", "fentry|tp", "only this kind of hook, where there is one", kRun, [&o](const std::string& v) {
    if (v != "fentry" && v != "tp") throw BadUsage(fmt::format("--hook: '{}'; give fentry or tp", v));
    o.hook = v;
  });
  one("--btf", "FILE", "the kernel's types, where it has none in /sys", kRun, [&o](const std::string& v) { o.btf = v; });
  app.add_flag("-v,--verbose", o.verbose, "say which hooks were taken and which refused")->group(kRun);
  app.add_flag("-V,--version", version, "print the version")->group(kRun);
  app.add_flag("-h,--help", help, "print this help")->group(kRun);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    std::string what = e.what();
    what = what.substr(0, what.find('\n'));
    throw BadUsage(fmt::format("{}; see {} --help", what, tool.name));
  }
  if (help) {
    fmt::print("{}\n\nUsage: {} [OPTIONS]\n{}{}{}\nMore: man {}, man needle\n", tool.about, tool.name, help_options(app),
               help_examples(), help_columns(), tool.name);
    return 0;
  }
  if (version) {
    fmt::print("{} {}\n", tool.name, NEEDLE_VERSION);
    return 0;
  }
  o.columns = chosen_columns(columns, extended, o.json);
  return -1;
}

}  // namespace needle
