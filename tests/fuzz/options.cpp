// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Any words, separated by NULs, as a tool's arguments: they are taken, or refused by BadUsage in one line. Linked with each tool.
#include "fuzz.h"

#include "run/options.h"
#include "tools.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

using namespace needle;

static constexpr const Tool& tool = NEEDLE_TOOL;

// The tool's examples, and each option of --help with a value.
std::vector<std::string> seeds() {
  std::vector<std::string> all;
  std::string examples(tool.examples);
  std::ranges::replace(examples, ' ', '\0');
  all.push_back(examples);
  for (const Option& option : tool.options) all.push_back(std::string(option.flags.substr(option.flags.find("--"))) + '\0' + "1");
  for (const char* option : {"--pid", "--uid", "--comm", "--columns", "--duration", "--buffer", "--container", "--cgroup"})
    for (const char* value : {"1", "1,2", "pid,+time", "4M", "0.5", "root"}) all.push_back(std::string(option) + '\0' + value);
  return all;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const int nowhere = [] {  // of --help
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    return dup2(null, STDOUT_FILENO);
  }();
  static_cast<void>(nowhere);
  std::vector<std::string> words{std::string(tool.name)};
  std::string word;
  for (std::size_t i = 0; i < size; i++)
    if (data[i] != 0) word += static_cast<char>(data[i]);
    else words.push_back(std::exchange(word, {}));
  words.push_back(word);
  std::vector<char*> argv;
  for (std::string& w : words) argv.push_back(w.data());
  argv.push_back(nullptr);
  try {
    Options options;
    parse_options(tool, static_cast<int>(argv.size()) - 1, argv.data(), options);
  } catch (const BadUsage& e) {
    expect(*e.what() != 0, "refused without a word");
  }
  return 0;
}
