// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <limits>

namespace needle {
namespace {

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

std::string usage(const Tool& tool) {
  return fmt::format("{}\n\nUsage: {} [OPTIONS]{} [-- COMMAND [ARGUMENTS]]\n", tool.about, tool.name, tool.operands);
}

std::string option(const HelpOption& o) {
  std::string flags = o.letter.empty() ? "      " : fmt::format("  -{}{}", o.letter, o.name.empty() ? "" : ", ");
  if (!o.name.empty()) flags += "--" + o.name;
  if (!o.value.empty()) flags += " " + o.value;
  return entry(flags, 28, o.text);
}

std::string examples(const Tool& tool, std::size_t most) {
  std::string text = "\nExamples:\n";
  for (std::string_view rest = tool.examples; !rest.empty() && most > 0; most--) {
    const std::size_t tab = rest.find('\t'), end = rest.find('\n');
    text += entry(fmt::format("  {}", rest.substr(0, tab)), 42, rest.substr(tab + 1, end - tab - 1));
    rest.remove_prefix(end + 1);
  }
  return text;
}

std::string columns(const Tool& tool) {
  std::string text = "\nColumns (those in capitals are shown unless -o says otherwise):\n";
  for (const Column& c : tool.columns) {
    std::string name(c.name);
    if (c.shown) std::ranges::transform(name, name.begin(), [](unsigned char ch) { return static_cast<char>(std::toupper(ch)); });
    text += entry("  " + name, 15, c.help);
  }
  return text;
}

}  // namespace

std::string short_help(const Tool& tool, const std::vector<HelpOption>& options) {
  std::string text = usage(tool) + '\n';
  std::string_view own;  // the tool's first one: they come first
  if (!options.empty()) own = options.front().name;
  if (std::ranges::find(options, "list", &HelpOption::name) != options.end()) own = "list";  // of many tools
  for (const std::string_view name : {own, {"pid"}, {"failed"}, {"columns"}, {"json"}})
    if (const auto o = std::ranges::find(options, name, &HelpOption::name); o != options.end()) text += option(*o);
  return text + examples(tool, 3) +
         fmt::format("\nAll options, examples, columns: {0} --help\nThe manual: man {0}, man 7 needle\n", tool.name);
}

std::string long_help(const Tool& tool, const std::vector<HelpOption>& options) {
  std::string text = usage(tool), group;
  for (const HelpOption& o : options) {
    if (o.group != group) text += fmt::format("\n{}:\n", group = o.group);
    text += option(o);
  }
  return text + examples(tool, std::numeric_limits<std::size_t>::max()) + columns(tool) +
         fmt::format("\nMore: man {}, man 7 needle\n", tool.name);
}

}  // namespace needle
