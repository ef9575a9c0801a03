// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "deeds.h"
#include "exec.h"

#include <unistd.h>

#include <stdexcept>

using namespace harness;

extern const Deed execsnoop_deed = {
    .tool = "execsnoop",
    .once =
        [](const std::string& path) {
          char* const argv[] = {const_cast<char*>("none"), nullptr};
          execve((path + "-none").c_str(), argv, argv);
        },
    .script = [](const std::string& path) { return path + "-none 2>&-"; },
    .is_of_script = [](const Json& line, const std::string& path) { return line["exe"] == path + "-none"; },
    .table =
        [](const TempDir& dir) {
          const std::string absent = dir / "absent", program = argv_program(dir / "program"), parent = std::to_string(getpid());
          return Table{.heading = "PID COMM PPID ERR EXE ARGS",
                       .deeds =
                           [=] {
                             char* const words[] = {const_cast<char*>("one"), const_cast<char*>("two"), nullptr};
                             execve(absent.c_str(), words, words);
                             execve(program.c_str(), words, words);
                             throw std::runtime_error("execve");
                           },
                       .rows = {{parent, "ENOENT", absent, "one", "two"}, {parent, "-", program, "one", "two"}},
                       .executes = true};
        },
};
