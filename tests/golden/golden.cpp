// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What every tool's columns, options, --help and man page promise. Linked with each tool.
#include "harness.h"
#include "output.h"
#include "tool.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>

using namespace needle;
using harness::Json;

namespace {

const std::string name(tool.name);

Columns all_columns() {
  Columns all;
  for (const Column& c : tool.columns) all.push_back(&c);
  return all;
}

std::string print(std::unique_ptr<Output> output, char fill) {
  const std::vector<std::byte> bytes(tool.event_size, std::byte(fill));
  Buffer out;
  output->event(out, {bytes});
  return out;
}

std::set<std::string> options_in(const std::string& text) {
  std::set<std::string> found;
  const std::regex option("(^|[\\s,])(--?[A-Za-z0-9][a-z0-9-]*)");
  for (auto i = std::sregex_iterator(text.begin(), text.end(), option); i != std::sregex_iterator(); ++i) found.insert((*i)[2]);
  return found;
}

std::string help() {
  const auto result = harness::run_tool(name, {"--help"});
  CHECK(result.status == 0);
  CHECK(result.err == "");
  return result.out;
}
std::string help_options() {
  const std::string all = help();
  std::string text;
  std::istringstream in(all.substr(0, all.find("\nExamples:")));
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("  ")) text += line.substr(0, 2 + line.substr(2).find("  ")) + "\n";  // without what they mean
  return text;
}

std::set<std::string> own_options() {
  std::string text;
  for (const Option& o : tool.options) text += std::string(o.flags) + "\n";
  return options_in(text);
}

// A man page's source with its escapes undone: "\-\-path", "Fl -path" and "\fB--path" are all "--path".
std::string man(const std::string& page) {
  std::ifstream file(std::string(MAN_DIR) + "/" + page);
  INFO("man/" << page);
  REQUIRE(file);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  text = std::regex_replace(text, std::regex("\\\\-"), "-");
  text = std::regex_replace(text, std::regex("\\\\f[BIRP]|\\\\&|\\\\f\\(CW"), " ");
  return std::regex_replace(text, std::regex("\\bFl +(\\S)"), "-$1");
}

// Lines that start with a macro or follow .TP: where a page says what it explains.
bool names_item(const std::string& page, const std::string& word) {
  const std::regex item("(^|\n)(\\.[A-Z][A-Za-z]*[^\n]*|\\.TP[^\n]*\n[^\n]*)[\\s,\"(]" + word + "(?![a-z0-9_-])");
  return std::regex_search(page, item);
}

}  // namespace

TEST_CASE("columns have names of their own, in snake_case, and say what they mean") {
  std::set<std::string_view> names;
  for (const Column& c : tool.columns) {
    INFO(c.name);
    CHECK(names.insert(c.name).second);
    CHECK(std::regex_match(std::string(c.name), std::regex("[a-z][a-z0-9]*(_[a-z0-9]+)*")));
    CHECK(c.help.size() > 5);
    CHECK(c.width >= static_cast<int>(c.name.size()));
  }
}

TEST_CASE("columns print a zeroed event and one of ones, in text and in JSON") {
  std::map<std::string, Json::value_t> types;
  for (const char fill : {'\0', '\xff'}) {
    const std::string row = print(make_table(all_columns(), false), fill);
    INFO(row);
    CHECK(std::count(row.begin(), row.end(), '\n') == 1);
    std::istringstream cells(row);
    const auto count = std::distance(std::istream_iterator<std::string>(cells), {});
    CHECK(count == static_cast<long>(tool.columns.size()));

    const std::string line = print(make_json(all_columns()), fill);
    INFO(line);
    std::multiset<std::string> keys;
    const Json j = Json::parse(line, [&](int, Json::parse_event_t event, Json& value) {
      if (event == Json::parse_event_t::key) keys.insert(value.get<std::string>());
      return true;
    });
    for (const auto& [key, value] : j.items()) {
      INFO(key);
      CHECK(keys.count(key) == 1);
      CHECK(std::regex_match(key, std::regex("[a-z][a-z0-9_]*")));
      if (value.is_null()) continue;
      const Json::value_t type = value.is_number() ? Json::value_t::number_integer : value.type();
      CHECK(types.emplace(key, type).first->second == type);
    }
    for (const Column& c : tool.columns) CHECK((c.name == "err" ? j.contains("errno") && j.contains("error") : j.contains(c.name)));
  }
}

TEST_CASE("the usual table: order, and 80 columns") {
  std::vector<std::string_view> shown;
  int width = -1;
  for (const Column& c : tool.columns)
    if (c.shown) shown.push_back(c.name), width += c.width + 1;
  CHECK(width <= 80);
  REQUIRE(shown.size() >= 3);
  CHECK(shown[0] == "pid");
  CHECK(shown[1] == "comm");
  // The order across tools, hidden ones included.
  std::vector<std::string_view> first;
  for (const Column& c : tool.columns)
    if (c.name == "time" || c.name == "uid" || c.name == "pid" || c.name == "comm") first.push_back(c.name);
  CHECK(first == std::vector<std::string_view>{"time", "uid", "pid", "comm"});
}

TEST_CASE("help: complete, in 80 columns, with examples that begin with the tool") {
  const std::string text = help();
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    INFO(line);
    CHECK(line.size() <= 80);
    CHECK((line.empty() || line.back() != ' '));
  }
  CHECK(text.find(tool.about) != std::string::npos);
  for (const Column& c : tool.columns) {
    std::string word(c.name);
    if (c.shown) std::transform(word.begin(), word.end(), word.begin(), [](unsigned char ch) { return static_cast<char>(std::toupper(ch)); });
    CHECK(text.find("\n  " + word + " ") != std::string::npos);
  }
  for (const std::string& option : own_options()) CHECK(options_in(text).contains(option));
  CHECK(tool.examples.starts_with(tool.name));
  CHECK(text.find("\nExamples:\n  " + name) != std::string::npos);
}

TEST_CASE("man page: every column and every option of the tool's own") {
  const std::string page = man(name + ".8"), shared = man("needle.7");
  const std::set<std::string_view> header = [] {
    std::set<std::string_view> names;
    struct any_event {
      event_header h;
    };
    for (const Column& c : header_columns<any_event>) names.insert(c.name);
    return names;
  }();
  for (const Column& c : tool.columns) {
    INFO("column " << c.name);
    CHECK((names_item(page, std::string(c.name)) || (header.contains(c.name) && names_item(shared, std::string(c.name)))));
  }
  for (const std::string& option : own_options()) {
    INFO("option " << option);
    CHECK(names_item(page, option));
  }
  for (const char* section : {"NAME", "SYNOPSIS", "DESCRIPTION", "CAPABILITIES", "EXAMPLES", "EXIT STATUS", "SEE ALSO"}) {
    INFO(section);
    CHECK(std::regex_search(page, std::regex(std::string("\n\\.S[Hh] +\"?") + section + "\\b")));
  }
}

TEST_CASE("needle.7: every option that the tools share") {
  const std::string page = man("needle.7");
  const auto own = own_options();
  const auto all = options_in(help_options());
  CHECK(all.size() > 20);
  for (const std::string& option : all) {
    INFO(option);
    if (!own.contains(option)) CHECK(names_item(page, option));
  }
}
