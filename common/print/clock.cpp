// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "print/clock.h"

#include <array>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <string_view>

namespace needle {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

std::int64_t now(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return t.tv_sec * kSecond + t.tv_nsec;
}

// Between two readings the process may be preempted: then they are made again.
std::int64_t boot_to_wall() {
  std::int64_t offset = 0, between = kNever;
  for (int i = 0; i < 10 && between > 100'000; i++) {
    const std::int64_t before = boot_clock(), wall = now(CLOCK_REALTIME), after = boot_clock();
    if (after - before >= between) continue;
    between = after - before;
    offset = wall - before;
  }
  return offset;
}

std::int64_t wall_offset = boot_to_wall();  // of the time namespace's boot clock
unsigned wall_steps = 0;
std::int64_t ahead = 0, compared_within = kNever;

bool utc = false;

std::tm* split_local(const time_t* t, std::tm* tm) { return utc ? gmtime_r(t, tm) : localtime_r(t, tm); }

// The text of a second, for the few that lines are of at a time.
class Seconds {
 public:
  Seconds(const char* format, std::tm* (*split)(const time_t*, std::tm*)) : format_(format), split_(split) {}

  std::string_view text(std::int64_t second) {
    Second& s = kept_[static_cast<std::uint64_t>(second) % kept_.size()];
    if (s.second != second || s.length == 0) {
      const time_t t = s.second = second;
      std::tm tm{};
      split_(&t, &tm);
      s.length = std::strftime(s.text, sizeof s.text, format_, &tm);
    }
    return {s.text, s.length};
  }

 private:
  struct Second {
    std::int64_t second = -1;
    std::size_t length = 0;
    char text[32];
  };
  const char* format_;
  std::tm* (*split_)(const time_t*, std::tm*);
  std::array<Second, 16> kept_;
};

}  // namespace

std::int64_t boot_clock() { return now(CLOCK_BOOTTIME); }

std::int64_t compare_clocks(std::int64_t before, std::int64_t kernel, std::int64_t after) {
  if (after - before >= compared_within) return ahead;
  compared_within = after - before;
  ahead = before <= kernel && kernel <= after ? 0 : before + compared_within / 2 - kernel;
  return ahead;
}

// Only if the clock was set: what happened once must not move.
void refresh_wall_clock() {
  constexpr std::int64_t kNoStep = 1'000'000;
  const std::int64_t offset = boot_to_wall();
  if (std::abs(offset - wall_offset) <= kNoStep) return;
  wall_offset = offset;
  wall_steps++;
}

unsigned wall_clock_steps() { return wall_steps; }

// Of a record that no kernel sends the sum may not fit: unsigned, it wraps.
std::int64_t wall_clock(ev_time t) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(wall_offset + ahead) + static_cast<std::uint64_t>(t));
}

void put_time(Buffer& out, ev_time t) {
  static Seconds seconds("%H:%M:%S.", split_local);
  const std::int64_t ns = wall_clock(t);
  out += seconds.text(ns / kSecond);
  put_padded(out, static_cast<std::uint32_t>(ns % kSecond / 1000), 6);
}

void put_stamp(Buffer& out, ev_time t) {
  const time_t second = wall_clock(t) / kSecond;
  std::tm tm{};
  split_local(&second, &tm);
  char text[32];
  out.append(text, std::strftime(text, sizeof text, "%Y-%m-%dT", &tm));
  put_time(out, t);
  if (utc) return out.push_back('Z');
  out.append(text, std::strftime(text, sizeof text, "%z", &tm));
  out.insert(out.size() - 2, 1, ':');
}

std::int64_t day_number(ev_time t) {
  static std::int64_t last_second = -1, number = 0;
  const time_t second = wall_clock(t) / kSecond;
  if (second != last_second) {
    std::tm tm{};
    split_local(&second, &tm);
    number = (std::int64_t{tm.tm_year} * 366 + tm.tm_yday) * 200'000 + tm.tm_gmtoff;
    last_second = second;
  }
  return number;
}

void use_utc() { utc = true; }

void put_date(Buffer& out, ev_time t) {
  static Seconds seconds("%Y-%m-%dT%H:%M:%S", split_local);
  out += seconds.text(wall_clock(t) / kSecond);
}

void put_rfc3339(Buffer& out, std::int64_t ns) {
  std::int64_t rest = ns % kSecond;
  if (rest < 0) rest += kSecond;
  put_rfc3339(out, ns / kSecond - (ns % kSecond < 0), static_cast<std::uint32_t>(rest));
}

void put_rfc3339(Buffer& out, std::int64_t sec, std::uint32_t ns) {
  static Seconds seconds("%Y-%m-%dT%H:%M:%S.", gmtime_r);
  out += seconds.text(sec);
  put_padded(out, ns, 9);
  out.push_back('Z');
}

}  // namespace needle
