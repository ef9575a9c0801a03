// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/sock_options.h"

#include "print/net.h"
#include "run/words.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>

namespace needle {
namespace {

// The words of a line of /etc/services or /etc/hosts, but for its comment.
std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line.substr(0, line.find('#')));
  return {std::istream_iterator<std::string>(in), {}};
}

// By /etc/services: "http 80/tcp www". Not by getservbyname(3), which a static program cannot rely on.
std::vector<__u32> ports_named(std::string_view name) {
  std::vector<__u32> ports;
  std::ifstream services("/etc/services");
  for (std::string line; std::getline(services, line);) {
    std::vector<std::string> words = words_of(line);
    if (words.size() < 2) continue;
    const std::string place = words[1];
    words.erase(words.begin() + 1);
    __u32 port = 0;
    if (std::ranges::find(words, name) != words.end() && to_number(std::string_view(place).substr(0, place.find('/')), port) &&
        std::ranges::find(ports, port) == ports.end())
      ports.push_back(port);
  }
  return ports;
}

// By /etc/hosts; DNS is not asked: it may be slow, and takes part in what is traced.
std::vector<std::string> addresses_named(std::string_view name) {
  std::vector<std::string> addresses;
  if (name == "localhost") addresses = {"127.0.0.0/8", "::1"};
  std::ifstream hosts("/etc/hosts");
  for (std::string line; std::getline(hosts, line);)
    if (const std::vector<std::string> words = words_of(line);
        !words.empty() && std::find(words.begin() + 1, words.end(), name) != words.end())
      addresses.push_back(words[0]);
  return addresses;
}

}  // namespace

std::vector<__u32> ports_of(std::string_view option, std::string_view list) {
  std::vector<__u32> ports;
  for_each_word(list, [&ports, option](std::string_view word) {
    __u32 port = 0;
    const auto named = to_number(word, port) ? std::vector{port} : ports_named(word);
    if (named.empty() || port > 65535)
      throw BadUsage(fmt::format("{}: '{}' is not a port; give numbers from 0 to 65535, as in {} 80,443", option, word, option));
    ports.insert(ports.end(), named.begin(), named.end());
  });
  return ports;
}

std::vector<ip_prefix> networks_of(std::string_view option, std::string_view text) {
  std::vector<ip_prefix> all;
  for (const std::string& address : addresses_named(text)) all.push_back(network_of(option, address));
  if (all.empty()) all.push_back(network_of(option, text));
  return all;
}

ip_prefix network_of(std::string_view option, std::string_view text) {
  const auto bad = [option, text](std::string_view why) {
    throw BadUsage(fmt::format("{}: '{}' {}; give an address or a network, as in {} 10.0.0.0/8", option, text, why, option));
  };
  const std::size_t slash = text.find('/');
  const std::string address(text.substr(0, slash));
  ip_prefix key{.bits = 128, .ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}};
  unsigned most = 128;
  if (inet_pton(AF_INET, address.c_str(), key.ip + 12) == 1) most = 32;
  else if (inet_pton(AF_INET6, address.c_str(), key.ip) != 1) bad("is not an IP address, nor a name in /etc/hosts");
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
