// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/complete.h"

#include "print/text.h"
#include "who/container_filter.h"
#include "who/users.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <functional>

namespace needle {
namespace {

struct Candidate {
  std::string word, text;
};
using Candidates = std::vector<Candidate>;

Candidates columns(const Tool& tool) {
  Candidates all;
  for (const Column& c : tool.columns) all.push_back({std::string(c.name), std::string(c.help)});
  return all;
}

Candidates users(const Tool&) {
  Candidates all;
  each_user([&all](const User& user) {
    all.push_back({user.name, fmt::format("{}", user.uid)});
    return false;
  });
  return all;
}

Candidates containers(const Tool&) {
  Candidates all;
  for (std::string& name : running_containers()) all.push_back({std::move(name), ""});
  return all;
}

void each_process(const std::function<void(const std::string& pid, const std::string& comm)>& call) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string pid = entry.path().filename();
    if (!std::ranges::all_of(pid, [](unsigned char c) { return std::isdigit(c); })) continue;
    std::string comm;
    if (std::getline(std::ifstream(entry.path() / "comm"), comm)) call(pid, comm);
  }
}

Candidates processes(const Tool&) {
  Candidates all;
  each_process([&all](const std::string& pid, const std::string& comm) { all.push_back({pid, comm}); });
  return all;
}

Candidates names(const Tool&) {
  Candidates all;
  each_process([&all](const std::string&, const std::string& comm) { all.push_back({comm, ""}); });
  return all;
}

// By the name of the option. Those with a LIST take several, with commas between.
constexpr struct {
  std::string_view name;
  Candidates (*values)(const Tool&);
} kValues[] = {
    {"columns", columns},
    {"pid", processes},
    {"tid", processes},
    {"tree", processes},
    {"session", processes},
    {"exclude-pid", processes},
    {"ppid", processes},
    {"mnt-ns", processes},
    {"pid-ns", processes},
    {"uid", users},
    {"euid", users},
    {"exclude-uid", users},
    {"run-as", users},
    {"comm", names},
    {"exclude-comm", names},
    {"container", containers},
    {"exclude-container", containers},
};

bool takes_file(const HelpOption& o) { return o.value == "FILE" || o.value == "PATH" || o.value == "PREFIX"; }

Candidates values_of(const Tool& tool, std::span<const Tool* const> several, const HelpOption& o) {
  for (const auto& known : kValues)
    if (known.name == o.name) return known.values(tool);
  Candidates all;
  const auto add_own = [&](const Tool& of) {
    for (const Option& own : of.options)
      if (own.values && (own.flags.ends_with("--" + o.name)))
        for (const std::string_view value : own.values()) all.push_back({std::string(value), ""});
  };
  add_own(tool);
  for (const Tool* t : several) add_own(*t);
  // "auto|always|never"
  if (o.value.find('|') != o.value.npos && std::ranges::none_of(o.value, [](unsigned char c) { return std::isupper(c); }))
    for (std::string_view rest = o.value; !rest.empty();) {
      const std::size_t end = std::min(rest.find('|'), rest.size());
      all.push_back({std::string(rest.substr(0, end)), ""});
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  return all;
}

// Those that begin so, with what stands before them on the line. Names may be hostile: one that a terminal may not get is left out.
std::string lines(Candidates all, const std::string& before, std::string_view begin) {
  std::ranges::sort(all, {}, &Candidate::word);
  std::string text;
  const Candidate* last = nullptr;
  for (const Candidate& c : all) {
    Buffer shown;
    put_text(shown, c.word, Blanks::single);
    if (shown != c.word || !c.word.starts_with(begin) || (last && last->word == c.word)) continue;
    last = &c;
    text += before + c.word;
    Buffer meaning;
    if (!c.text.empty()) put_text(meaning, c.text, Blanks::single), text += '\t' + meaning;
    text += '\n';
  }
  return text;
}

std::string values(const Tool& tool, std::span<const Tool* const> several, const HelpOption& o, const std::string& before,
                   const std::string& word) {
  if (takes_file(o)) return ":files\n";
  if (o.value.find("LIST") == o.value.npos && o.value.find('|') == o.value.npos && o.value != "USER" && o.value != "NAME" &&
      o.value != "FLAG")
    return {};
  // Of a list only the last word is completed; a + before a column adds it.
  std::size_t from = o.value == "NAME" ? 0 : word.rfind(',') + 1;
  if (o.name == "columns" && from < word.size() && word[from] == '+') from++;
  const std::string all = lines(values_of(tool, several, o), before + word.substr(0, from), std::string_view(word).substr(from));
  return o.value == "LIST" ? ":nospace\n" + all : all;
}

}  // namespace

std::string completions(const Tool& tool, const std::vector<HelpOption>& options, std::span<const std::string> words,
                        std::span<const Tool* const> several) {
  if (words.empty()) return {};
  if (const auto dashes = std::ranges::find(words.first(words.size() - 1), "--"); dashes != words.end() - 1)
    return fmt::format(":command {}\n", words.end() - dashes - 1);
  const auto named = [&options](std::string_view word) -> const HelpOption* {
    for (const HelpOption& o : options)
      if ((!o.name.empty() && word == "--" + o.name) || (!o.letter.empty() && word == "-" + o.letter)) return &o;
    return nullptr;
  };
  const std::string& word = words.back();
  if (words.size() > 1)
    if (const HelpOption* o = named(words[words.size() - 2]); o && !o->value.empty()) return values(tool, several, *o, "", word);
  if (const std::size_t equals = word.find('='); word.starts_with("--") && equals != word.npos)
    if (const HelpOption* o = named(std::string_view(word).substr(0, equals)); o && !o->value.empty())
      return values(tool, several, *o, word.substr(0, equals + 1), word.substr(equals + 1));
  Candidates all{{"--", "a command to trace"}};
  for (const HelpOption& o : options) {
    if (!o.letter.empty()) all.push_back({"-" + o.letter, o.text});
    if (!o.name.empty()) all.push_back({"--" + o.name, o.text});
  }
  if (several.empty() || word.starts_with('-')) return lines(std::move(all), "", word);
  // Events have commas between; the first word may be a tool.
  const std::size_t from = word.rfind(',') + 1;
  if (from > 0) all.clear();
  if (words.size() == 1) all.push_back({"report", "of recorded JSON: a tree of processes, and what each did"});
  for (const Tool* t : several) {
    all.push_back({std::string(t->event), std::string(t->about)});
    if (words.size() == 1 && from == 0) all.push_back({std::string(t->name), std::string(t->about)});
  }
  return lines(std::move(all), word.substr(0, from), std::string_view(word).substr(from));
}

}  // namespace needle
