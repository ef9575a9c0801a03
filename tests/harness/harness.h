// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the end-to-end tests are made of: a tracer under test, and actors that do one deed and
// state their own truth about it.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
#include <nlohmann/json.hpp>

#include <sys/types.h>

#include <sched.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <string>
#include <thread>
#include <vector>

// Ends a test case that this kernel or machine has no means for: aloud.
#define CANNOT_TEST(why)         \
  do {                           \
    WARN("NOT TESTED: " << why); \
    return;                      \
  } while (false)

namespace harness {

using Json = nlohmann::json;
using Args = std::vector<std::string>;

// Where the tools are: ../bin beside the test's own binary, or $NEEDLE_BIN.
std::string tool_path(const std::string& tool);

// What a tool says of a whole trace: the JSON records that begin and end a stream, and the sum on standard error.
struct Whole {
  Json start, end;
  std::string sum;  // the line, with its newline
};
// Takes that out of its output, but for a sum that tells of losses.
void take_whole(std::string& text, Whole&);

// The result of a program that ran to its end.
struct Result {
  int status = -1;  // exit status, or 128 + signal
  std::string out, err;
  Whole whole = {};
};
// Runs argv[0], found by $PATH if it has no slash. `input` goes to its standard input.
Result run(const Args& argv, const std::string& input = {});
// One of the tools, with what its usual event takes: see Deed::options.
Args command_of(const std::string& tool, Args args);
std::string shell_command_of(const std::string& tool);  // the same without arguments, as words for sh(1)
Result run_tool(const std::string& tool, const Args& args);

// What a tool says that others did to it (see needle(7), LOSSES): whether there is any depends on when processes are preempted,
// which kernels since 7.0 do in the middle of a program, and on which tests run at the same time.
struct Disturbed {
  unsigned long long skipped = 0, replaced = 0;
};
// Takes that out of its output.
Disturbed drop_disturbed(std::string& text);

// A tool that is tracing. Its output is collected as it comes.
class Tracer {
 public:
  // Starts the tool and returns when it has said that it is tracing; FAILs if it ends before.
  Tracer(const std::string& tool, Args args);
  explicit Tracer(const Args& command);  // by a command of any kind, which execs the tool
  ~Tracer();
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  // Ends it: what the kernel had delivered is drained first. All that is asked for below is
  // there afterwards.
  void stop(int signal = SIGINT);
  void wait();  // for it to end by itself
  pid_t pid() const { return pid_; }
  int status() const { return status_; }
  const std::string& out() const { return out_; }
  const std::string& err() const { return err_; }
  std::vector<std::string> lines() const;  // of standard output, without the heading
  std::vector<Json> events() const;        // JSON lines, without loss records; FAILs on what is no JSON
  unsigned long long lost() const;         // the sum of the loss records
  const Whole& whole() const { return whole_; }
  const Disturbed& disturbed() const { return disturbed_; }

 private:
  pid_t pid_ = -1;
  int status_ = -1;
  Whole whole_;
  Disturbed disturbed_;
  std::string out_, err_;
  std::thread out_reader_, err_reader_;
};

// What is shown and what is lost is all that was done; up to as many as were skipped may be missing.
void check_all_told(const Tracer& tracer, unsigned long long done);

// A process of its own that does its deed when told to, so that a tracer can filter on its id
// before. What it puts into `truth` comes back; an exception, or a signal, FAILs the test.
class Actor {
 public:
  explicit Actor(std::function<void(Json& truth)> deed);
  ~Actor();
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;

  pid_t pid() const { return pid_; }
  std::string id() const { return std::to_string(pid_); }
  Json act();    // lets it go, waits for its end, returns its truth
  void start();  // only lets it go
  Json finish();

 private:
  pid_t pid_ = -1;
  int go_ = -1, truth_ = -1;
};

// The tiers of hooks that this kernel lets the tool use ("fentry", "tp"): each is tried.
std::vector<std::string> tiers(const std::string& tool);

// One deed under one tool, as JSON events of that process: for tests that need no more.
// `truth`, if given, receives what the actor said.
std::vector<Json> trace(const std::string& tool, const Args& args, std::function<void(Json& truth)> deed, Json* truth = nullptr);
// The same with an actor and a tracer of one's own; stops the tracer, which must have lost nothing.
std::vector<Json> trace(Tracer& tracer, Actor& actor, Json* truth = nullptr);

// Many deeds, each in a process of its own, one after another under one tool: to start it takes longest.
struct Traced {
  Json truth;
  std::vector<Json> events;
};
std::vector<Traced> trace_each(const std::string& tool, const Args& args,
                               const std::vector<std::function<void(Json& truth)>>& deeds,
                               const std::function<void(pid_t)>& before_each);

// How often to do what takes volume: a tenth where the CPU is emulated (tests/vm).
unsigned many(unsigned times);

// What the columns that every event has must say of a process that is alive, but for time, tid,
// via and src.
Json who(pid_t pid);
// RFC 3339, as JSON has it, in nanoseconds since 1970.
long long time_of(const Json& rfc3339);

// Another thread of an attacker: does meddle(0), meddle(1), ... for as long as it lives.
class Meddler {
 public:
  template <class F> explicit Meddler(F meddle)
      : thread_([this, meddle] {
          for (; !stop_.load(std::memory_order_relaxed); turns_++) meddle(turns_.load(std::memory_order_relaxed));
        }) {}
  // Waits for it to get a processor, however busy the machine is.
  void wait() const {
    for (const long before = turns_; turns_ == before;) sched_yield();
  }
  ~Meddler() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<long> turns_{0};
  std::thread thread_;
};

// A directory of its own on a file system that is no overlay, removed with all in it.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }  // as the kernel names it: no symlinks
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  std::string file(const std::string& name, const std::string& content = "x", mode_t mode = 0644) const;  // made; its path

 private:
  std::string path_;
};

// The way back from the table's escapes: what a reader of our text has to implement. Throws
// std::runtime_error on what is none.
std::string unescape(std::string_view text);

// For actors: throws std::system_error with `what` if the value is negative (errno is read).
long check(long value, const char* what);

// A system call through int $0x80, as a 32-bit program makes it. Pointers must lie below 4 GiB:
// see low(). Returns the value, or -errno. Only on x86-64; have_int80() says whether it works.
bool have_int80();
long int80(long nr, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0);
// A copy of the bytes, and a NUL, below 4 GiB. Never freed.
char* low(const void* bytes, std::size_t size);
char* low(const std::string& s);

}  // namespace harness
