// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The choice between hooks, with programs of no tool: a real kernel loads, attaches, and runs them.
#include "event.h"
#include "harness.h"
#include "load/hooks.h"
#include "run/tracer.h"
#include "tools.h"

#include "hooks.skel.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <memory>

using namespace needle;

namespace {

struct no_event {
  event_header h;
};
constexpr Column columns[] = {column<&no_event::h, &event_header::pid>("pid", "")};

void (*the_deed)();

void ask_for_lease() {
  const int fd = memfd_create("lease", MFD_CLOEXEC);
  fcntl(fd, F_SETLEASE, F_RDLCK);  // refused, since it is open for writing
  close(fd);
}
void other() { static_cast<void>(getppid()); }

bool has(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

constexpr Trial trials[] = {{"deed", [](Object&) { the_deed(); }}, {"deed__tp_opt_tried", [](Object&) { the_deed(); }}};
constexpr Tool hooks_tool = make_tool<hooks_bpf, no_event>("hooks", "nothing", "", "", columns, {}, {}, trials);

// What -v would say after the choice, with `deed` as the trial. Throws.
std::string choose(void (*deed)(), const std::string& only = "") {
  libbpf_set_print(nullptr);
  the_deed = deed;
  Hooks hooks(hooks_tool, only);
  const auto nothing = [](Object&) {};
  const auto object = hooks.take(nothing, nothing);
  hooks.detach();
  return hooks.report();
}

}  // namespace

TEST_CASE("a hook that the tool's own deed does not wake gives way to the next") {
  const std::string woken = choose(ask_for_lease);
  INFO(woken);
  CHECK(has(woken, "deed__fentry_lease: taken"));
  CHECK_FALSE(has(woken, "deed__tp_any"));

  const std::string silent = choose(other);
  INFO(silent);
  CHECK(has(silent, "deed__tp_any: taken"));
  CHECK(has(silent, "deed__tp_opt_lease: taken"));  // which nothing has woken, nor must
  CHECK(has(silent, "deed__tp_opt_tried_alt_2: taken"));
  CHECK(has(silent, "deed__tp_opt_tried_alt_1: the kernel attaches it, but never runs it"));
  CHECK_FALSE(has(silent, "deed__fentry_lease: taken"));
  CHECK(has(silent, "deed__fentry_lease: the kernel attaches it, but never runs it"));

  std::string error;
  try {
    choose(other, "fentry");
  } catch (const Error& e) {
    error = e.what();
  }
  CHECK(has(error, "there is no way to see deed on this kernel"));
  CHECK(has(error, "deed__fentry_lease: the kernel attaches it, but never runs it"));
}

TEST_CASE("of alternatives the first is taken that loads, and an optional unit has its own") {
  const std::string report = choose(other);  // the test before may run at the same time
  INFO(report);
  CHECK(has(report, "choice__tp_opt_one_alt_2: taken"));
  CHECK(has(report, "choice__tp_opt_one_also: taken"));
  CHECK_FALSE(has(report, "choice__tp_opt_one_alt_3"));
  CHECK(has(report, "choice__tp_opt_one_alt_1: this kernel has no tracepoint of_no_kernel"));
  CHECK_FALSE(has(report, "choice__tp_opt_two_also"));
  CHECK_FALSE(has(report, "choice__tp_opt_pair_alt_1_there"));
  CHECK_FALSE(has(report, "choice__tp_opt_pair_alt_2_there"));
  CHECK(has(report, "choice__tp_opt_pair_alt_3_one: taken"));
  CHECK(has(report, "choice__tp_opt_pair_alt_3_other: taken"));
  CHECK_FALSE(has(report, "choice__tp_opt_pair_alt_4"));
  CHECK(has(report, "choice__tp_alt_2_works: taken"));
  CHECK(has(report, "choice__tp_alt_1_refused: the kernel refuses to load it"));
}

TEST_CASE("all tools at work in one process, each with a ring of its own") {
  std::map<std::string_view, int> events;
  std::vector<std::unique_ptr<Options>> options;
  std::vector<std::unique_ptr<Tracer>> tracers;
  pid_t actor = 0;
  for (const Tool* tool : kTools) {
    options.push_back(std::make_unique<Options>());
    options.back()->buffer = 1u << 20;
    tracers.push_back(std::make_unique<Tracer>(*tool, *options.back(), [&events, &actor, tool](void* data, std::size_t size) {
      const Record r{.bytes = {static_cast<std::byte*>(data), size}};
      const auto& h = r.as<event_header>();
      if (h.kind == KIND_EVENT && static_cast<pid_t>(h.pid) == actor) events[tool->name]++;
      return 0;
    }));
  }
  // Another process: tools do not report their own.
  actor = fork();
  if (actor == 0) {
    for (std::size_t i = 0; i < std::size(kTools); i++)
      for (const Trial& trial : kTools[i]->trials) trial.deed(tracers[i]->object());
    syscall(SYS_setresgid, -1, 1, -1);  // credsnoop's own trial changes nothing
    _exit(0);
  }
  REQUIRE(waitpid(actor, nullptr, 0) == actor);
  for (const auto& tracer : tracers) {
    tracer->detach();
    while (!tracer->consume()) {
    }
  }
  for (const Tool* tool : kTools) {
    INFO(tool->name);
    CHECK(events[tool->name] > 0);
  }
}
