// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "deeds.h"

#include <fcntl.h>
#include <unistd.h>

using namespace harness;

extern const Deed opensnoop_deed = {
    .tool = "opensnoop",
    .once = [](const std::string& path) { close(open(path.c_str(), O_RDONLY)); },
    .script = [](const std::string& path) { return ": < " + path; },
    .is_of_script = [](const Json& line, const std::string& path) { return line["path"] == path; },
    .table =
        [](const TempDir& dir) {
          const std::string file = dir / "file", absent = dir / "absent";
          return Table{.heading = "PID COMM FD ERR PATH",
                       .deeds =
                           [=] {
                             check(dup2(static_cast<int>(check(open(file.c_str(), O_RDONLY), "open")), 77), "dup2");
                             for (int fd = 3; fd < 77; fd++) fcntl(fd, F_GETFD) < 0 && dup2(77, fd);
                             check(open(file.c_str(), O_RDWR), "open");
                             open(absent.c_str(), O_RDWR);
                           },
                       .rows = {{"*", "-", file}, {"78", "-", file}, {"-", "ENOENT", absent}}};
        },
    .bad = {{{"-f", "O_NOPE"}, "-f", "O_NOPE"},
            {{"/etc/shadow"}, "/etc/shadow", " /etc/shadow; to trace"},
            {{"--path", ""}, "--path", "give"},
            {{"--path", std::string(300, 'x')}, "--path", "300"}},
};
