// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Any bytes as a record of a tool: each column prints in one field of one line, and as valid JSON. Linked with each tool.
#include "fuzz.h"

#include "print/output.h"
#include "tools.h"

#include <nlohmann/json.hpp>

#include <cstring>
#include <vector>

using namespace needle;

namespace {

constexpr const Tool& tool = NEEDLE_TOOL;

std::string print(Output& output, const Record& r) {
  Buffer out;
  output.event(out, r);
  return out;
}

Columns all_columns() {
  Columns all;
  for (const Column& c : tool.columns) all.push_back(&c);
  return all;
}

// As awk takes a line apart.
std::size_t fields(std::string_view line) {
  std::size_t n = 0;
  for (bool before = true; const char c : line) {
    const bool blank = c == ' ' || c == '\t' || c == '\n';
    n += before && !blank;
    before = blank;
  }
  return n;
}

void check_line(std::string_view line) {
  expect(!line.empty() && line.find('\n') == line.size() - 1, "not one line", line);
  for (const char c : line.substr(0, line.size() - 1))
    expect(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f, "a control byte is printed", line);
}

}  // namespace

// Zeroes, ones, and one whose first string is its own tail.
std::vector<std::string> seeds() {
  std::vector<std::string> all{std::string(tool.event_size, '\0'), std::string(tool.event_size, '\xff')};
  std::string tail(tool.event_size, '\0');
  const auto at = static_cast<__u16>(tool.event_size);
  for (std::size_t i = sizeof(event_header); i + sizeof(ev_str) <= tool.event_size; i += sizeof(ev_str)) {
    const ev_str s{at, 12, 0};
    std::memcpy(&tail[i], &s, sizeof s);
  }
  all.push_back(tail + "/a\x1b b/\xe2\x80\xae.");
  return all;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::unique_ptr<Output> table = make_table(all_columns(), false), json = make_json(all_columns());
  // As the session hands it over: aligned, with all the fixed part. Memory of its exact size, so that no byte behind it is read.
  if (size > 60'000) return 0;
  const std::size_t length = std::max(size, tool.event_size);
  const std::unique_ptr<std::uint64_t[]> memory(new std::uint64_t[(length + 7) / 8]());
  auto* const bytes = reinterpret_cast<std::byte*>(memory.get());
  std::memcpy(bytes, data, size);
  const Record record{.bytes = {bytes, length}};

  const std::string line = print(*table, record);
  check_line(line);
  expect(fields(line) >= tool.columns.size(), "a column prints nothing", line);
  const std::string object = print(*json, record);
  check_line(object);
  expect(nlohmann::json::accept(object), "no JSON", object);
  return 0;
}
