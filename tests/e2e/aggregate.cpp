// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Counting in the kernel: whatever is told, lost and left adds up to what has happened.
#include "counted.h"
#include "harness.h"
#include "print/clock.h"
#include "run/aggregation.h"
#include "run/tracer.h"

#include "aggregate.skel.h"

#include <bpf/bpf.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <map>

using namespace harness;

namespace {

struct no_event {
  event_header h;
};
constexpr needle::Column kColumns[] = {needle::column<&no_event::h, &event_header::pid>("pid", "")};
constexpr needle::Tool kTool = needle::make_tool<aggregate_bpf, no_event>("aggregate", "nothing", "", "", kColumns, {});
using Bpf = needle::Skeleton<aggregate_bpf>;

struct Sums {
  std::uint64_t count = 0, sum = 0;
  void add(const aggregate& a) { count += a.count, sum += a.sum; }
};

struct Counting {
  needle::Options options;
  std::map<std::uint64_t, Sums> closed, collected;
  std::uint64_t oldest = ~0ull;
  std::unique_ptr<needle::Tracer> tracer;
  std::unique_ptr<needle::Aggregate> calls;

  auto& bss() { return *Bpf::of(tracer->object()).bss; }
  explicit Counting(unsigned buffer) {
    options.buffer = buffer;
    tracer = std::make_unique<needle::Tracer>(kTool, options, [this](void* data, std::size_t size) {
      counted_record r{};
      if (size == sizeof r) {
        std::memcpy(&r, data, size);
        closed[r.key.object].add(r.value.a);
        oldest = std::min<std::uint64_t>(oldest, r.value.a.since);
      }
      return 0;
    });
    calls = std::make_unique<needle::Aggregate>(tracer->object().bpf, "calls", std::chrono::seconds(1));
    bss().counted = SYS_getppid;
  }
  void collect() {
    calls->collect([this](std::span<const std::byte> key, std::span<const std::byte> value) {
      counted_key k{};
      counted_value v{};
      REQUIRE(key.size() == sizeof k);
      REQUIRE(value.size() == sizeof v);
      std::memcpy(&k, key.data(), sizeof k);
      std::memcpy(&v, value.data(), sizeof v);
      collected[k.object].add(v.a);
      oldest = std::min<std::uint64_t>(oldest, v.a.since);
      CHECK((v.first == bss().actors[0] || v.first == bss().actors[1]));
    });
  }
  // Runs that the kernel left out, which it does since 7.0 if one is preempted by another task's on its CPU.
  std::uint64_t skipped() {
    bpf_prog_info info{};
    __u32 size = sizeof info;
    const int fd = bpf_program__fd(Bpf::of(tracer->object()).progs.count__tp_enter);
    REQUIRE(bpf_obj_get_info_by_fd(fd, &info, &size) == 0);
    return info.recursion_misses;
  }
  // What has been told in both ways.
  std::map<std::uint64_t, Sums> told_by_object() const {
    std::map<std::uint64_t, Sums> all = closed;
    for (const auto& [object, s] : collected) all[object].count += s.count, all[object].sum += s.sum;
    return all;
  }
  std::uint64_t told() const {
    std::uint64_t all = 0;
    for (const auto& [object, s] : told_by_object()) all += s.count;
    return all;
  }
};

void on_cpu(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);  // where there is only one, both share it
}

}  // namespace

TEST_CASE("aggregate: what two CPUs count while it is closed, collected and full adds up to what they did") {
  constexpr std::uint64_t kObjects = COUNTED_ROOM + 16;  // more than there is room for
  const std::uint64_t rounds = many(4000);
  for (const unsigned buffer : {1u << 23, 4096u}) {  // the first has room for all; the second is full most of the time
    INFO(buffer);
    Counting c(buffer);
    std::vector<std::unique_ptr<Actor>> actors;
    for (int cpu = 0; cpu < 2; cpu++)
      actors.push_back(std::make_unique<Actor>([=](Json&) {
        on_cpu(cpu);
        for (std::uint64_t i = 0; i < rounds; i++)
          for (std::uint64_t object = 0; object < kObjects; object++) {
            syscall(SYS_getppid, object);
            if ((i + object) % 7 == 0) syscall(SYS_getppid, object | COUNTED_CLOSE);
          }
      }));
    for (int i = 0; i < 2; i++) c.bss().actors[i] = static_cast<__u32>(actors[static_cast<std::size_t>(i)]->pid());
    for (const auto& a : actors) a->start();
    const auto before = static_cast<std::uint64_t>(needle::boot_clock());
    unsigned turns = 0;
    siginfo_t ended{};
    for (const auto& a : actors)  // WNOWAIT: the harness waits for them
      while (waitid(P_PID, static_cast<id_t>(a->pid()), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid != a->pid()) {
        c.collect();
        if (buffer > 4096) c.tracer->consume();
        turns++;
      }
    for (const auto& a : actors) a->finish();
    c.collect();
    c.tracer->detach();
    c.tracer->consume();
    c.collect();
    const std::uint64_t lost = c.tracer->stats().lost_map, happened = 2 * rounds * kObjects;
    INFO("told " << c.told() << " lost " << lost << " in " << turns << " turns; returned " << c.bss().unsent);
    CHECK(c.told() + lost <= happened);
    CHECK(c.told() + lost + c.skipped() >= happened);
    CHECK(lost > 0);
    CHECK(turns > 2);
    CHECK(c.closed.size() > 1);
    CHECK(c.collected.size() > 1);
    CHECK((c.bss().unsent > 0) == (buffer == 4096));
    if (buffer > 4096)  // else some are lost after they were taken, between the two numbers
      for (const auto& [object, s] : c.told_by_object()) CHECK(s.sum == s.count * (object + 1));  // nothing went to another key
    CHECK(c.oldest + 60'000'000'000 > before);
  }
}

TEST_CASE("aggregate: a close tells what there was since the last time, and the next collection the rest") {
  Counting c(1u << 20);
  Actor actor([](Json&) {
    for (int i = 0; i < 5; i++) syscall(SYS_getppid, 7);
    syscall(SYS_getppid, 7 | COUNTED_CLOSE);
    syscall(SYS_getppid, 7 | COUNTED_CLOSE);  // of which there is nothing to tell
    for (int i = 0; i < 3; i++) syscall(SYS_getppid, 7);
    syscall(SYS_getppid, 8);
  });
  c.bss().actors[0] = c.bss().actors[1] = static_cast<__u32>(actor.pid());
  const auto before = static_cast<std::uint64_t>(needle::boot_clock());
  actor.act();
  c.tracer->consume();
  REQUIRE(c.closed.size() == 1);
  CHECK(c.closed[7].count == 5);
  CHECK(c.closed[7].sum == 5 * 8);
  CHECK(c.collected.empty());
  c.collect();
  CHECK(c.collected.size() == 2);
  CHECK(c.collected[7].count == 3);
  CHECK(c.collected[8].count == 1);
  CHECK(c.oldest >= before);
  c.collect();
  CHECK(c.told() == 9);  // nothing twice
  CHECK(c.tracer->stats().lost_map == 0);
}
