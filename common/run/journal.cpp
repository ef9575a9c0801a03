// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/journal.h"

#include "error.h"
#include "run/signals.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>

namespace needle {
namespace {

constexpr char kSocket[] = "/run/systemd/journal/socket";
enum Priority { kWarning = 4, kInfo = 6 };  // as of syslog(3)

class Journal final : public Output {
 public:
  Journal(Columns columns, std::string_view tool)
      : columns_(std::move(columns)), tool_(tool), fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const int room = 1 << 20;  // an event with all of its strings escaped has some 140 KB
    setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    if (!attach()) throw Error(fmt::format("--journal: {}: {}; is systemd-journald running?", kSocket, std::strerror(errno)));
  }
  ~Journal() override { close(fd_); }

  void begin(Buffer&, const Start& start) override {
    std::string command;
    for (const std::string& word : start.command_line) {
      if (!command.empty()) command += ' ';
      put_shell_word(command, word);
    }
    entry("start", kInfo, "tracing: " + command);
    field("NEEDLE_VERSION", start.version);
    send();
  }
  // None of the cells has a newline, which would end a field.
  void event(Buffer&, const Record& r) override {
    Buffer message(r.event), cell, fields;
    const bool some = std::ranges::any_of(columns_, &Column::shown);
    for (const Column* c : columns_) {
      cell.clear();
      if (c->name == "time") put_rfc3339(cell, wall_clock(r.as<event_header>().time));
      else c->text(cell, r, Blanks::single);
      if (cell == "-") continue;
      fields += "NEEDLE_";
      for (const char ch : c->name) fields += static_cast<char>(std::toupper(static_cast<unsigned char>(ch)));
      fields += '=';
      fields += cell;
      fields += '\n';
      if (!c->shown && some) continue;
      message += ' ';
      message += c->name;
      message += '=';
      message += cell;
    }
    entry({}, kInfo, message);
    datagram_ += fields;
    if (fields.find("NEEDLE_EVENT=") == fields.npos) field("NEEDLE_EVENT", r.event);
    send();
  }
  void missing(Buffer&, std::string_view what, std::uint64_t now, std::uint64_t total) override {
    entry(what, kWarning, fmt::format("{} {} ({} in all)", what, now, total));
    field("NEEDLE_COUNT", std::to_string(now));
    send();
  }
  void end(Buffer&, const End& end) override {
    entry("end", kInfo, fmt::format("{} events shown, {} lost: {}", end.shown, end.lost, end.why));
    field("NEEDLE_SHOWN", std::to_string(end.shown));
    field("NEEDLE_LOST", std::to_string(end.lost));
    send();
  }

 private:
  bool attach() const {
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    std::memcpy(a.sun_path, kSocket, sizeof kSocket);
    return connect(fd_, reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0;
  }
  void field(std::string_view name, std::string_view value) {
    datagram_ += name;
    datagram_ += '=';
    datagram_ += value;
    datagram_ += '\n';
  }
  void entry(std::string_view event, Priority priority, std::string_view message) {
    datagram_.clear();
    field("MESSAGE", message);
    field("PRIORITY", std::to_string(priority));
    field("SYSLOG_IDENTIFIER", tool_);
    if (!event.empty()) field("NEEDLE_EVENT", event);
  }
  void send() {
    bool again = true;
    while (::send(fd_, datagram_.data(), datagram_.size(), MSG_NOSIGNAL) < 0) {
      if (errno == EINTR && stop_signals() < 2) continue;
      if ((errno == ECONNREFUSED || errno == ENOTCONN) && again && attach()) {  // journald has been started anew
        again = false;
        continue;
      }
      throw Error(fmt::format("cannot write to the journal: {}", std::strerror(errno)));
    }
  }
  const Columns columns_;
  const std::string_view tool_;
  const int fd_;
  std::string datagram_;
};

}  // namespace

std::unique_ptr<Output> make_journal(Columns columns, std::string_view tool) {
  return std::make_unique<Journal>(std::move(columns), tool);
}

}  // namespace needle
