// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "deeds.h"

#include <signal.h>
#include <unistd.h>

using namespace harness;

extern const Deed killsnoop_deed = {
    .tool = "killsnoop",
    .options = {"--signal", "URG"},
    .once = [](const std::string&) { kill(getpid(), SIGURG); },
    .script = [](const std::string&) { return "kill -URG $BASHPID"; },
    .is_of_script = [](const Json& line, const std::string&) { return line["result"] == "ignored"; },
    .table =
        [](const TempDir&) {
          const std::string self = std::to_string(getpid());
          return Table{.heading = "PID COMM SIG TPID TCOMM RESULT",
                       .deeds = [] { kill(getpid(), SIGURG), kill(1, SIGURG); },
                       .rows = {{"SIGURG", "*", "*", "ignored"}, {"SIGURG", "1", "*", "EPERM"}}};
        },
    .bad = {{{"--signal", "NOPE"}, "--signal", "NOPE"},
            {{"--signal", "65"}, "--signal", "65"},
            {{"--target", "none"}, "--target", "none"}},
};
