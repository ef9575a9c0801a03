// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/sock_options.h"

#include "print/net.h"
#include "run/words.h"

#include <arpa/inet.h>
#include <fmt/format.h>

namespace needle {

std::vector<__u32> ports_of(std::string_view list) {
  std::vector<__u32> ports;
  for_each_word(list, [&ports](std::string_view word) {
    __u32 port = 0;
    if (!to_number(word, port) || port > 65535)
      throw BadUsage(fmt::format("--port: '{}' is not a port; give numbers from 0 to 65535, as in --port 80,443", word));
    ports.push_back(port);
  });
  return ports;
}

ip_prefix network_of(std::string_view text) {
  const auto bad = [text](std::string_view why) {
    throw BadUsage(fmt::format("--dest: '{}' {}; give an address or a network, as in --dest 10.0.0.0/8", text, why));
  };
  const std::size_t slash = text.find('/');
  const std::string address(text.substr(0, slash));
  ip_prefix key{.bits = 128, .ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}};
  unsigned most = 128;
  if (inet_pton(AF_INET, address.c_str(), key.ip + 12) == 1) most = 32;
  else if (inet_pton(AF_INET6, address.c_str(), key.ip) != 1) bad("is not an IP address");
  if (slash != text.npos) {
    unsigned bits = 0;
    if (!to_number(text.substr(slash + 1), bits) || bits > most) bad(fmt::format("has no prefix of 0 to {} bits", most));
    key.bits = 128 - most + bits;
  }
  return key;
}

unsigned protos_of(std::string_view list) {
  const auto names = proto_names();
  unsigned protos = 0;
  for_each_word(list, [&](std::string_view word) {
    for (std::size_t i = 1; i < names.size(); i++)
      if (names[i] == word) {
        protos |= 1u << i;
        return;
      }
    throw BadUsage(fmt::format("--proto: there is no '{}'; there are: {}", word, fmt::join(names.subspan(1), " ")));
  });
  return protos;
}

}  // namespace needle
