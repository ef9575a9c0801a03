// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What words on a command line stand for.
#include "error.h"
#include "harness.h"
#include "run/habits.h"
#include "run/nearest.h"
#include "run/sock_options.h"
#include "run/words.h"

#include <map>

using namespace needle;
using Words = std::vector<std::string>;

TEST_CASE("words: between commas, or blanks, as pidof prints them") {
  for (const auto& [list, words] : std::map<std::string, Words>{{"", {""}},
                                                                {" \n", {""}},
                                                                {"1", {"1"}},
                                                                {"1,2", {"1", "2"}},
                                                                {"1 2\n3\n", {"1", "2", "3"}},
                                                                {" 1 ,  2", {"1", "2"}},
                                                                {"1,,2", {"1", "", "2"}},
                                                                {"80,", {"80", ""}},
                                                                {",80", {"", "80"}}}) {
    INFO(list);
    Words found;
    for_each_word(list, [&](std::string_view word) { found.emplace_back(word); });
    CHECK(found == words);
  }
}

TEST_CASE("the nearest name, or none") {
  const std::vector<std::string_view> names{"container", "container_name", "cwd", "comm", "pid", "ppid", "path", "lineage"};
  for (const auto& [text, name] : std::map<std::string, std::string>{{"contaner", "container"},
                                                                     {"Container-Name", "container_name"},
                                                                     {"pad", "pid"},
                                                                     {"pth", "path"},
                                                                     {"line", "lineage"},
                                                                     {"command", "comm"},
                                                                     {"xyzzy", ""},
                                                                     {"", ""}}) {
    INFO(text);
    CHECK(nearest(text, names) == name);
  }
}

TEST_CASE("options of other suites: where they mean the same, of the tools that have them") {
  CHECK(in_our_words("opensnoop", {"opensnoop", "--name=x", "-F", "--print-uid", "-p", "1"}) ==
        Words{"opensnoop", "--comm=x", "--show-uid", "-p", "1"});
  CHECK(in_our_words("execsnoop", {"-P", "1", "-F", "--namespace"}) == Words{"--ppid", "1", "-F", "--namespace"});
  CHECK(in_our_words("connectsnoop", {"-P80", "--port", "81"}) == Words{"--port=80", "--port", "81"});
  CHECK(instead_of("--cgroupmap=/x").find("--cgroup") != std::string_view::npos);
  CHECK(instead_of("--nope").empty());
}

TEST_CASE("ports by their names, addresses by those of /etc/hosts") {
  CHECK(ports_of("--port", "80, 443") == std::vector<__u32>{80, 443});
  CHECK(ports_of("--port", "https,domain") == std::vector<__u32>{443, 53});
  CHECK_THROWS_AS(ports_of("--port", "80,"), BadUsage);
  CHECK_THROWS_AS(ports_of("--port", "65536"), BadUsage);
  const auto local = networks_of("--dest", "localhost");
  REQUIRE(local.size() >= 2);
  CHECK(local[0].bits == 96 + 8);
  CHECK(local[1].bits == 128);
  CHECK(networks_of("--dest", "10.0.0.0/8").size() == 1);
  CHECK_THROWS_AS(networks_of("--dest", "no-such-host"), BadUsage);
}
