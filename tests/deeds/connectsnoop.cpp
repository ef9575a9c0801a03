// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "deeds.h"
#include "net.h"

#include <unistd.h>

using namespace harness;

extern const Deed connectsnoop_deed = {
    .tool = "connectsnoop",
    .once =
        [](const std::string&) {
          const Address discard = ip_address("127.0.0.1", 9);
          const int fd = socket(AF_INET, SOCK_DGRAM, 0);
          connect(fd, discard.get(), discard.size);
          close(fd);
        },
    .script = [](const std::string&) { return ": > /dev/udp/127.0.0.1/9"; },
    .is_of_script = [](const Json& line, const std::string&) { return line["rport"] == 9; },
    .table =
        [](const TempDir&) {
          static const Address to = local_of(server(ip_address("127.0.0.2", 0)));
          const std::string port = std::to_string(to.port());
          return Table{.heading = "PID COMM PROTO LADDR LPORT RADDR RPORT ERR MS",
                       .deeds =
                           [] {
                             const int fd = new_socket(AF_INET, SOCK_STREAM);
                             check(connect(fd, to.get(), to.size), "connect");
                             const Address closed = closed_port();
                             connect(new_socket(AF_INET, SOCK_STREAM), closed.get(), closed.size);
                           },
                       .rows = {{"tcp", "127.0.0.1", "*", "127.0.0.2", port, "-", "*"},
                                {"tcp", "127.0.0.1", "*", "127.0.0.1", "*", "ECONNREFUSED", "*"}}};
        },
    .bad = {{{"--dest", "10.0.0.0/33"}, "--dest", "/33"},
            {{"--dest", "nonsense"}, "--dest", "nonsense"},
            {{"--port", "65536"}, "--port", "65536"},
            {{"--port", "no-such"}, "--port", "no-such"},
            {{"--proto", "nope"}, "--proto", "nope"}},
};
