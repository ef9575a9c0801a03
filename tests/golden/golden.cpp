// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What every tool's columns, options and --help promise. Linked with each tool.
#include "harness.h"
#include "load/hooks.h"
#include "print/output.h"
#include "tools.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <random>
#include <regex>
#include <set>
#include <sstream>

using namespace needle;
using harness::Json;

namespace {

constexpr const Tool& tool = NEEDLE_TOOL;
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
    for (const Column& c : tool.columns)
      CHECK((c.name == "err" ? j.contains("errno") && j.contains("error") : j.contains(c.name)));
  }
}

TEST_CASE("no value prints an empty field, or more than one, or other JSON") {
  std::map<std::string, Json::value_t> types;
  const auto look = [&](const std::vector<std::byte>& bytes) {
    for (const Column& c : tool.columns) {
      Buffer cell, json = "{";
      c.text(cell, {bytes}, Blanks::escaped);
      c.json(json, c.name, {bytes});
      const bool one_word =
          !cell.empty() && std::ranges::none_of(cell, [](char ch) { return static_cast<unsigned char>(ch) <= ' '; });
      const Json members = Json::parse(json + "}", nullptr, false);
      if (!one_word || members.is_discarded() || members.empty()) FAIL(c.name << ": '" << cell << "' " << json);
      for (const auto& [key, value] : members.items()) {
        const Json::value_t type = value.is_number() ? Json::value_t::number_integer : value.type();
        if (!value.is_null() && types.emplace(key, type).first->second != type) FAIL(c.name << ": " << json);
      }
    }
  };
  std::vector<std::byte> bytes(tool.event_size);
  for (std::size_t bit = sizeof(event_header) * 8; bit < bytes.size() * 8; bit++) {
    bytes[bit / 8] = std::byte(1 << bit % 8);
    look(bytes);
    bytes[bit / 8] = {};
  }
  std::mt19937 rng(1);
  for (int i = 0; i < 3000; i++) {
    for (std::byte& b : bytes) b = std::byte(rng());
    look(bytes);
  }
}

TEST_CASE("every column of the usual table shows what is in its field") {
  std::vector<std::uint32_t> words(tool.event_size / sizeof(std::uint32_t), 1);
  for (const Column& c : tool.columns) {
    if (!c.shown) continue;
    Buffer cell;
    c.text(cell, {std::as_bytes(std::span(words))}, Blanks::escaped);
    INFO(c.name);
    for (const char* nothing : {"", "-", "?", "0", "no"}) CHECK(cell != nothing);
  }
}

TEST_CASE("columns of the same field ask for the same") {
  const std::vector<std::byte> bytes(tool.event_size);
  const auto place = [&](const Column& c) { return c.own ? c.own({bytes}) : std::span<const std::byte>{}; };
  for (const Column& a : tool.columns)
    for (const Column& b : tool.columns)
      if (place(a).data() == place(b).data() && !place(a).empty()) CHECK(a.wanted == b.wanted);
}

TEST_CASE("the usual table: order, and 80 columns") {
  std::vector<std::string_view> shown;
  int width = -1, last = 0;
  for (const Column& c : tool.columns)
    if (c.shown) shown.push_back(c.name), last = c.align == Align::left ? 12 : c.width, width += c.width + 1;
  width += last - (tool.columns.back().shown ? tool.columns.back().width : last);  // the last is not padded: a word is to fit
  CHECK(width <= 80);
  REQUIRE(shown.size() >= 3);
  CHECK(shown[0] == "pid");
  CHECK(shown[1] == "comm");
  CHECK(tool.columns[0].name == "time");
}

TEST_CASE("help: what the tool is, its own options, every column, examples that begin with its name") {
  const auto result = harness::run_tool(name, {"--help"});
  CHECK(result.status == 0);
  CHECK(result.err == "");
  const std::string& text = result.out;
  CHECK(text.find(tool.about) != std::string::npos);
  for (const Column& c : tool.columns) {
    std::string word(c.name);
    if (c.shown)
      std::transform(word.begin(), word.end(), word.begin(),
                     [](unsigned char ch) { return static_cast<char>(std::toupper(ch)); });
    INFO(word);
    CHECK(std::regex_search(text, std::regex("\n  " + word + "\\s")));
  }
  for (const Option& o : tool.options) {
    INFO(o.flags);
    const std::string flag(o.flags.substr(o.flags.find("--")));
    CHECK(std::regex_search(text, std::regex("\n +(-[A-Za-z0-9], ?)?" + flag + "\\s")));
  }
  CHECK(tool.examples.starts_with(tool.name));
  CHECK(text.find("\nExamples:\n  " + name) != std::string::npos);
}

TEST_CASE("programs have names that the choice of hooks understands, and every trial has its programs") {
  const auto object = tool.open(nullptr);
  REQUIRE(object);
  std::set<std::string> tried;
  bpf_program* p = nullptr;
  bpf_object__for_each_program(p, object->bpf) {
    INFO(bpf_program__name(p));
    HookName hook;
    CHECK_NOTHROW(hook = parse_hook_name(bpf_program__name(p)));
    // The kernel keeps 15 bytes; WHAT is what users are told that there is no way to see.
    CHECK(std::regex_match(hook.what, std::regex("[a-z][a-z0-9]*(_[a-z0-9]+)*")));
    tried.insert(hook.optional ? hook.unit : hook.what);
    // Hooks are chosen: none is loaded unless it was.
    CHECK_FALSE((hook.is_hook() && bpf_program__autoload(p)));
  }
  for (const Trial& trial : tool.trials) {
    INFO(trial.what);
    CHECK(tried.contains(std::string(trial.what)));
  }
}

TEST_CASE("what shared headers forget of a process they forget behind all of the tool's own programs") {
  const auto object = tool.open(nullptr);
  REQUIRE(object);
  std::size_t programs = 0, forgetting = 0;
  for (const bpf_program* p : in_attach_order(object->bpf)) {
    const std::string program = bpf_program__name(p);
    INFO(program);
    programs++;
    const bool forgets = program.starts_with("follow__tp_exit") || program.starts_with("lineage__tp_exit");
    forgetting += forgets;
    CHECK((forgets || forgetting == 0));
  }
  CHECK(forgetting >= 2);
  std::size_t all = 0;
  bpf_program* p = nullptr;
  bpf_object__for_each_program(p, object->bpf) all++;
  CHECK(programs == all);
}

TEST_CASE("a line says which event it is, and on which host") {
  const std::vector<std::byte> bytes(tool.event_size);
  Buffer out;
  make_json(all_columns())->event(out, {.bytes = bytes, .event = tool.event});
  const Json j = Json::parse(out);
  char host[256] = {};
  REQUIRE(gethostname(host, sizeof host - 1) == 0);
  CHECK(j["event"] == std::string(tool.event));
  CHECK(j["host"] == std::string(host));
}

TEST_CASE("a program name that is not of the grammar is refused with its reason") {
  CHECK(parse_hook_name("chmod__fentry_opt_compat_alt_2_sys_exit").alternative == 2);
  CHECK(parse_hook_name("chmod__fentry_opt_compat_alt_2_sys_exit").unit == "chmod__fentry_opt_compat");
  CHECK(parse_hook_name("chmod__tp_sys_exit").unit == "chmod__tp");
  CHECK_FALSE(parse_hook_name("self__run").is_hook());
  for (const char* bad : {"chmod", "__tp", "chmod__", "chmod__kprobe", "chmod_tp_x", "x__tp_alt_first", "x__tp_alt_",
                          "x__tp_alt_0", "x__tp_opt_", "x__tp_alt_2x", "x__tp_detail_alt_1", "x__tp_alt_1_opt_word"}) {
    INFO(bad);
    CHECK_THROWS_AS(parse_hook_name(bad), Error);
  }
}
