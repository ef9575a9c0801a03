// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/session.h"

#include "print/clock.h"
#include "print/summary.h"
#include "run/journal.h"
#include "run/message.h"
#include "run/privileges.h"
#include "run/signals.h"
#include "who/container_stage.h"
#include "who/hasher.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <malloc.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>

namespace needle {
namespace {

// While events come, the reader looks this often; the programs wake it only when it sleeps, or
// when a quarter of the buffer is full.
constexpr int kLookMs = 10;
// A safety net for a wake-up that a preempted program has not sent yet.
constexpr int kSleepMs = 500;
constexpr int kHoldMs = Order::kHold.count() + 1;  // until what is held back may go
constexpr std::size_t kFlushBytes = 1u << 20;      // the page cache takes large writes in large folios
constexpr std::uint64_t kBatch = 16384;            // records, after which signals and losses get their turn
constexpr int kLastWaits = 100;                    // ms, at the end, for what is being written

int duration_timer(double seconds) {
  const int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  itimerspec t{};
  t.it_value.tv_sec = static_cast<time_t>(seconds);
  t.it_value.tv_nsec = static_cast<long>((seconds - static_cast<double>(t.it_value.tv_sec)) * 1e9);
  if (t.it_value.tv_sec == 0 && t.it_value.tv_nsec == 0) t.it_value.tv_nsec = 1;
  timerfd_settime(fd, 0, &t, nullptr);
  return fd;
}

bool wants_colour(Colour c, int fd) {
  if (c != Colour::automatic) return c == Colour::always;
  const char* no = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return isatty(fd) && !(no && *no) && !(terminal && std::string_view(terminal) == "dumb");
}

std::unique_ptr<Output> make_output(const Tool& as, const Options& o, std::span<const Traced> tools, int fd) {
  if (o.journal) return make_journal(o.columns, as.name);
  std::vector<Columns> each;  // an object is what its tool prints alone
  for (const Traced& t : tools) each.push_back(o.summary ? o.columns : t.options.columns);
  auto lines =
      o.json ? make_json_of_tools(std::move(each)) : make_table(o.columns, wants_colour(o.colour, fd), !isatty(fd) && !o.summary);
  return o.summary ? make_summary(std::move(lines), o.json, o.top) : std::move(lines);
}

// Those of which the last one's end is the tool's: nothing can match any more.
constexpr std::pair<::list, std::string_view> kEnding[] = {
    {LIST_PID, "pid"}, {LIST_TID, "tid"}, {LIST_PPID, "ppid"}, {LIST_TARGET, "target"}};

// The command, which has been made by now, keeps the limit that it was given.
void raise_file_limit() {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == files.rlim_max) return;
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

}  // namespace

Session::Session(const Tool& as, const Options& o, std::span<const Traced> tools, Command* command)
    : tool_(as),
      options_(o),
      command_(command),
      sink_(o.output, o.rotate, command != nullptr, [this](Buffer& out, unsigned part) { begin(out, part); }),
      output_(make_output(as, o, tools, sink_.fd())),
      losses_([this](std::string_view what, std::uint64_t now, std::uint64_t total) {
        output_->missing(out_, what, now, total);
        flush();
      }) {
  out_.reserve(kFlushBytes + kFlushBytes / 8);  // it would leave all its smaller sizes behind
  raise_file_limit();
  if (tools.size() > 1 || tools.front().tool != &as)
    order_.emplace([this](std::span<std::byte> record, bool late) { return deliver(record, late); });
  trace(tools);
  const bool containers = std::ranges::any_of(tracers_, [](const auto& t) { return (t->wanted() & WANT_CONTAINER) != 0; });
  if (containers) {
    std::vector<__u64*> unwanted;
    for (const auto& t : tracers_) unwanted.push_back(t->object().unwanted());
    stages_.push_back(
        std::make_unique<ContainerStage>(o.filter.set & FILTER_CONTAINER ? &o.containers : nullptr, std::move(unwanted)));
  }
  const bool hashes = std::ranges::any_of(tracers_, [](const auto& t) { return (t->wanted() & WANT_IMAGE) != 0; });
  if (hashes) stages_.push_back(std::make_unique<HashStage>());
  watch_listed();
  for (Watch* const watch : watches()) watch->tell_absent();
  for (const std::string& remark : o.remarks) say(remark);
  if (first().stats().pid_level > 0)
    say("in a pid namespace: options take its process ids, columns show those of the initial one; nspid is what a process's own "
        "has");
  for (const auto& t : tracers_) t->tell_hooks(o.verbose);
  if (o.verbose && tracers_.size() > 1) say(dispatcher_.report());
  const ContainerFilter::Absent absent = o.containers.absent();
  for (const std::string& name : absent.names) {
    Buffer line;
    put_text(line, name, Blanks::single);
    say(fmt::format("no container is '{}' yet", line));
  }
  if (!absent.names.empty() && absent.unnamed > 0)
    say(fmt::format("of {} containers that run the names are not known, only the ids: no runtime's state tells of them",
                    absent.unnamed));
  std::uint64_t needed = 0;
  if (command) needed |= 1ull << CAP_KILL;                // to pass signals on to a command of another user
  if (containers) needed |= 1ull << CAP_DAC_READ_SEARCH;  // users' own runtimes write where only they may read
  if (hashes) needed |= 1ull << CAP_SYS_PTRACE | 1ull << CAP_DAC_READ_SEARCH;  // to read the programs of all, by /proc/PID/exe
  for (Watch* const watch : watches()) needed |= watch->capabilities();
  drop_privileges(needed);
  sink_.check_rotation();
  malloc_trim(0);  // what libbpf needed for the kernel's BTF
}

// What cannot be traced does not stop the others. The first that can be has what all share.
void Session::trace(std::span<const Traced> tools) {
  for (const Traced& t : tools) {
    tools_.push_back(t.tool);
    shown_.push_back(0);
    try {
      tracers_.push_back(std::make_unique<Tracer>(
          *t.tool, t.options, [this](void* data, std::size_t size) { return receive(data, size); },
          static_cast<unsigned>(tools_.size() - 1), tracers_.empty() ? nullptr : tracers_.front().get(),
          tools.size() > 1 ? &dispatcher_ : nullptr));
    } catch (const Error& e) {
      if (tracers_.empty() && tools_.size() == tools.size()) throw;
      say(fmt::format("{} is not traced: {}", t.tool->event, e.what()));
    }
  }
  for (const auto& t : tracers_) t->begin();
}

Session::~Session() {
  for (const std::vector<int>& fds : listed_)
    for (const int fd : fds)
      if (fd >= 0) close(fd);
}

// When the last of those has ended that are asked for, so does the tool. What nobody can watch, such as a single thread
// before Linux 6.9, is there for ever.
void Session::watch_listed() {
#ifndef PIDFD_THREAD
  constexpr unsigned PIDFD_THREAD = O_EXCL;
#endif
  for (const auto& [list, id] : options_.listed)
    if (std::ranges::find(kEnding, list, &std::pair<::list, std::string_view>::first) != std::end(kEnding)) {
      const auto open_fd = [id = id](unsigned flags) { return static_cast<int>(syscall(SYS_pidfd_open, id, flags)); };
      int fd = open_fd(list == LIST_TID ? PIDFD_THREAD : 0);
      if (fd < 0 && errno == ESRCH) continue;
      listed_[list].push_back(fd);
    }
}

// Whose event a record is; null: it is none.
const Tool* Session::tool_of(const void* data, std::size_t size) const {
  const auto& h = *static_cast<const event_header*>(data);
  if (size < sizeof h || h.kind != KIND_EVENT || h.tool >= tools_.size()) return nullptr;
  const Tool* const tool = tools_[h.tool];
  return size < tool->event_size ? nullptr : tool;
}

int Session::receive(void* data, std::size_t size) {
  if (done_ || size < sizeof(event_header)) return 0;
  const std::span bytes(static_cast<std::byte*>(data), size);
  if (static_cast<const event_header*>(data)->kind != KIND_EVENT) {
    for (const auto& stage : stages_) stage->learn({bytes});
    return 0;
  }
  if (!tool_of(data, size)) return 0;
  if (order_) order_->add(bytes);
  else deliver(bytes, false);
  return done_ || ++records_ % kBatch == 0 || out_.size() >= kFlushBytes ? -EAGAIN : 0;
}

// Returns whether there may be more.
bool Session::deliver(std::span<std::byte> bytes, bool late) {
  const std::size_t tool_number = reinterpret_cast<const event_header*>(bytes.data())->tool;
  const Tool* const tool = tools_[tool_number];
  Record r{.bytes = bytes, .event = tool->event, .tool = tool, .late = late};
  if (std::ranges::all_of(stages_, [&r](const auto& stage) { return stage->wants(r); })) {
    output_->event(out_, r);
    shown_[tool_number]++;
    if (++events_ == options_.count) {
      done_ = true;
      why_ = "count";
    }
  }
  if (order_ && out_.size() >= kFlushBytes) flush();
  return !done_;
}

// Takes a batch out of the ring buffer. Returns whether there is more.
bool Session::consume() {
  refresh_wall_clock();
  if (output_->fit(screen_columns())) begin(out_, 1);  // the terminal's size has changed
  const std::int64_t now = order_ ? boot_clock() - first().clock_ahead() : 0;
  const bool more = !first().consume();
  if (order_ && !done_) order_->deliver(now, !more, false);
  for (const auto& stage : stages_) stage->between_batches();
  flush();
  report_losses(false);
  return more && !done_;
}

void Session::flush() {
  sink_.write(out_);
  out_.clear();
  if (sink_.reader_gone()) done_ = true;
}

// Of the trees that are followed. The programs wake the reader when there is none left.
std::uint64_t Session::followed() const { return std::atomic_ref(first().stats().followed).load(); }

void Session::report_losses(bool end) {
  std::uint64_t elsewhere = unread_;
  for (const auto& stage : stages_) elsewhere += stage->undecided();
  losses_.report(tracers_, dispatcher_.object(), elsewhere, end);
}

void Session::run() {
  std::vector<Object*> objects;
  for (const auto& t : tracers_) objects.push_back(&t->object());
  silence_.emplace(std::move(objects), tool_);
  watch_signals(command_, {.reopen = !options_.output.empty(), .summary = options_.summary});
  output_->fit(screen_columns());
  if (screen_columns() > 0 && output_->width() > screen_columns())
    say(fmt::format("the columns take {}, the terminal has {}: lines are cut; --wide shows them whole, -o fewer columns",
                    output_->width(), screen_columns()));
  if (command_) say(fmt::format("tracing process {} and all that descend from it", command_->pid()));
  else say("tracing, Ctrl-C to stop");
  sink_.begin();
  if (command_) command_->go();
  loop();
  // What has happened is drained; without this, a flood would never let it end.
  for (const auto& t : tracers_) t->detach();
  drain();
  for (const auto& t : tracers_) t->tell_rest();
  drain();
  if (order_ && !done_) order_->deliver(0, true, true);
  if (!done_) abandon();
  report_losses(true);
  end();
}

// What is there when nothing more can come, unless the user does not want to wait for it.
void Session::drain() {
  for (int waits = 0; !done_ && stop_signals() < 2 && waits < kLastWaits;) {
    if (consume()) continue;
    if (first().all_read()) return;
    waits++;  // a program that still runs, or whose virtual CPU does not, is writing
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// What was not waited for is lost, and told.
void Session::abandon() {
  unread_ = first().abandon([this](const void* data, std::size_t size) { return tool_of(data, size) != nullptr; });
  if (unread_ > 0 && stop_signals() > 1)
    say("told to stop once more: what was waiting in the buffer is not shown, and counts as lost");
}

// Of the terminal that a table is to fit. 0: it need not.
std::size_t Session::screen_columns() const {
  winsize size{};
  return !options_.wide && ioctl(sink_.fd(), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

// Of the terminal, if it is to be filled with the highest counts.
unsigned Session::screen_rows() const {
  winsize size{};
  return options_.top > 0 && !options_.json && ioctl(sink_.fd(), TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
}

void Session::show_summary() {
  output_->summary(out_, screen_rows());
  flush();
}

// What each file begins with.
void Session::begin(Buffer& out, unsigned part) const {
  if (!options_.heading) return;
  std::vector<std::string> programs;
  for (const auto& t : tracers_) programs.insert(programs.end(), t->programs().begin(), t->programs().end());
  output_->begin(out, {.tool = tool_.name,
                       .version = NEEDLE_VERSION,
                       .command_line = options_.command_line,
                       .filters = options_.filters,
                       .hooks = std::move(programs),
                       .part = part});
}

void Session::end() {
  std::vector<std::pair<std::string_view, std::uint64_t>> by_event;
  std::string each;
  for (std::size_t i = 0; order_ && i < tools_.size(); i++) {
    by_event.emplace_back(tools_[i]->event, shown_[i]);
    if (shown_[i] > 0) each += fmt::format("{}{} {}", each.empty() ? ": " : ", ", tools_[i]->event, shown_[i]);
  }
  output_->summary(out_, screen_rows());
  if (options_.heading)
    output_->end(out_, {.shown = events_,
                        .lost = losses_.said(),
                        .skipped = losses_.skipped(),
                        .replaced = losses_.replaced(),
                        .why = why_,
                        .by_event = std::move(by_event)});
  flush();
  if (sink_.reader_gone() && losses_.said() == 0) return;  // who has seen enough
  say(fmt::format("{} event{} shown, {} lost{}{}", events_, events_ == 1 ? "" : "s", losses_.said(),
                  silence_->left_out(events_, records_), each));
}

// Those that are no end.
void Session::obey_signals() {
  if (take_signal(SIGQUIT)) show_summary();
  const bool hangup = take_signal(SIGHUP);
  if (take_signal(SIGUSR1) || hangup) sink_.reopen();
}

std::vector<Watch*> Session::watches() const {
  std::vector<Watch*> all;
  for (const auto& t : tracers_)
    for (const auto& watch : t->watches()) all.push_back(watch.get());
  return all;
}

// The programs: what wakes the reader.
void Session::tell_reader(reader_waits waits) {
  const auto order = waits == READER_SLEEPS ? std::memory_order_seq_cst : std::memory_order_relaxed;
  for (const auto& t : tracers_) std::atomic_ref<__u32>(t->stats().reader_waits).store(waits, order);
}

void Session::loop() {
  const int epoll = epoll_create1(EPOLL_CLOEXEC), ring = first().ring_fd();
  const int timer = options_.duration > 0 ? duration_timer(options_.duration) : -1, command = command_ ? command_->fd() : -1;
  // The ring buffer's wake-ups, not that there is something in it, which in a flood is always so.
  // EPOLLHUP or EPOLLERR of standard output: `| head` is gone, though nothing was written since.
  for (const auto& [fd, events] :
       {std::pair{ring, EPOLLIN | EPOLLET}, {signal_event(), EPOLLIN}, {timer, EPOLLIN}, {command, EPOLLIN}, {sink_.fd(), 0u}}) {
    epoll_event e{.events = events, .data = {.fd = fd}};
    if (fd >= 0) epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);  // a regular file cannot be watched, nor hang up
  }
  const bool follows = (options_.filter.set & FILTER_TREE) != 0, seeded = first().stats().seeded != 0;
  for (const std::vector<int>& fds : listed_)
    for (const int fd : fds) {
      epoll_event e{.events = EPOLLIN, .data = {.fd = fd}};
      if (fd >= 0) epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
    }
  for (Watch* const watch : watches()) {
    epoll_event e{.events = EPOLLIN, .data = {.fd = watch->fd()}};
    if (watch->fd() >= 0) epoll_ctl(epoll, EPOLL_CTL_ADD, watch->fd(), &e);
    watch->look();  // it may have changed since
  }
  int grace = -1;               // what the kernel does for a process may end after it
  const auto none_left = [&] {  // the option that asked for them; empty: some are left
    for (const auto& [list, name] : kEnding)
      if (options_.filter.lists[list].count > 0 && listed_[list].empty()) return name;
    return std::string_view{};
  };
  const auto end_soon = [&] {
    if (grace >= 0 || none_left().empty()) return;
    grace = duration_timer(0.5);
    epoll_event e{.events = EPOLLIN, .data = {.fd = grace}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, grace, &e);
  };
  end_soon();
  const int refresh = screen_rows() > 0 ? timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK) : -1;
  if (refresh >= 0) {
    const itimerspec second{{1, 0}, {1, 0}};
    timerfd_settime(refresh, 0, &second, nullptr);
    epoll_event e{.events = EPOLLIN, .data = {.fd = refresh}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, refresh, &e);
  }
  bool more = false, busy = false, stop = false, runs = command_, alone = false;
  const auto look = [&] {
    const std::uint64_t before = records_;
    more = consume();
    busy = records_ != before;
  };
  while (!done_ && !stop) {
    if (!more && busy) tell_reader(READER_RESTS);
    if (!more && !busy) {  // say that we sleep, then look once more
      tell_reader(READER_SLEEPS);
      look();
    }
    // Nothing can come any more. Those that are found late may not have been found.
    if (follows && !runs && followed() == 0 && (command_ || seeded)) {
      why_ = "ended";
      break;
    }
    epoll_event e[5];
    const int n = epoll_wait(epoll, e, 5, more || done_ ? 0 : order_ && order_->holds() ? kHoldMs : busy ? kLookMs : kSleepMs);
    tell_reader(READER_AWAKE);
    const bool idle = n == 0 && !more && !busy;
    for (Watch* const watch : watches()) {
      const auto heard = [&](const epoll_event& event) { return event.data.fd == watch->fd(); };
      if (idle || std::any_of(e, e + std::max(n, 0), heard)) watch->look();  // idle: there is what nobody can be told of
    }
    for (int i = 0; i < n; i++) {
      if (e[i].data.fd == sink_.fd()) sink_.forget_reader(), done_ = true;
      if (std::uint64_t n_signals; e[i].data.fd == signal_event()) [[maybe_unused]]
        const ssize_t size = read(signal_event(), &n_signals, sizeof n_signals);
      if (std::uint64_t seconds; e[i].data.fd == refresh && read(refresh, &seconds, sizeof seconds) > 0) show_summary();
      if (e[i].data.fd == timer) stop = true, why_ = "duration";
      if (grace >= 0 && e[i].data.fd == grace) {
        say(fmt::format("what --{} asked for has ended", none_left()));
        stop = true;
        why_ = "ended";
      }
      for (std::vector<int>& fds : listed_)
        if (std::erase(fds, e[i].data.fd) > 0) {
          close(e[i].data.fd);
          end_soon();
        }
      if (e[i].data.fd == command) {
        command_->wait();  // now: another may wait for its id to be gone
        epoll_ctl(epoll, EPOLL_CTL_DEL, command, nullptr);
        runs = false;
      }
    }
    obey_signals();
    stop |= stop_signals() > 0;
    if (n == 0 && !more && !busy && command_ && !runs && !alone) {
      say("the command has ended, but not all that it started; Ctrl-C to stop");
      alone = true;
    }
    if (!done_) look();
    silence_->look(events_, records_);
  }
  for (const int fd : {epoll, timer, grace, refresh})
    if (fd >= 0) close(fd);
}

}  // namespace needle
