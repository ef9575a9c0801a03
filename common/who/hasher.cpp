// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "who/hasher.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <nettle/sha2.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <system_error>
#include <thread>

namespace needle {
namespace {

constexpr std::size_t kKnown = 8192, kJobs = 256;  // programs; those that wait
constexpr std::uint64_t kLargest = 512u << 20;     // bytes
constexpr std::size_t kChunk = 256u << 10;
constexpr auto kAgain = std::chrono::milliseconds(100);

bool same(const ev_wall& a, const timespec& b) { return a.sec == b.tv_sec && a.nsec == static_cast<__u32>(b.tv_nsec); }

// Whether an open file is that one. Its device is not compared: stat(2) of some file systems has numbers of its own; nor is the
// number of an overlay's.
bool is(const image& file, int fd) {
  struct stat st {};
  struct statfs fs {};
  return fstat(fd, &st) == 0 && fstatfs(fd, &fs) == 0 && S_ISREG(st.st_mode) &&
         static_cast<std::uint64_t>(st.st_size) == file.size && same(file.mtime, st.st_mtim) && same(file.ctime, st.st_ctim) &&
         (static_cast<std::uint64_t>(file.ino) == st.st_ino || fs.f_type == OVERLAYFS_SUPER_MAGIC);
}

std::string hexadecimal(const std::uint8_t (&bytes)[SHA256_DIGEST_SIZE]) {
  std::string digits;
  for (const std::uint8_t b : bytes) {
    digits += "0123456789abcdef"[b >> 4];
    digits += "0123456789abcdef"[b & 15];
  }
  return digits;
}

// By the process, not by any name: who may give names may give another file that one. Rests as long as it works, so that it takes no
// more than half of a processor.
std::string digest(const image& file, pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/exe";
  const int fd = file.size > kLargest ? -1 : open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) return {};
  std::string digits;
  if (is(file, fd)) {
    sha256_ctx sum;
    sha256_init(&sum);
    std::vector<std::uint8_t> chunk(kChunk);
    ssize_t n = 0;
    do {
      const auto begin = std::chrono::steady_clock::now();
      n = read(fd, chunk.data(), chunk.size());
      if (n > 0) sha256_update(&sum, static_cast<std::size_t>(n), chunk.data());
      if (n == static_cast<ssize_t>(kChunk)) std::this_thread::sleep_for(std::chrono::steady_clock::now() - begin);
    } while (n > 0);
    std::uint8_t bytes[SHA256_DIGEST_SIZE];
    sha256_digest(&sum, sizeof bytes, bytes);
    if (n == 0 && is(file, fd)) digits = hexadecimal(bytes);
  }
  close(fd);
  return digits;
}

}  // namespace

std::size_t Hasher::Hash::operator()(const image& i) const {
  return (static_cast<std::size_t>(i.ino) * 0x9e3779b97f4a7c15u ^ static_cast<std::size_t>(i.ctime.sec)) * 0x9e3779b97f4a7c15u ^
         i.ctime.nsec;
}

bool Hasher::Same::operator()(const image& a, const image& b) const { return std::memcmp(&a, &b, sizeof a) == 0; }

Hasher::~Hasher() {
  if (!shared_) return;
  const std::lock_guard lock(shared_->mutex);
  shared_->end = true;
  shared_->wake.notify_one();
}

void Hasher::work(const std::shared_ptr<Shared>& shared) {
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), 19);
  std::unique_lock lock(shared->mutex);
  while (!shared->end) {
    if (shared->jobs.empty()) {
      shared->wake.wait(lock);
      continue;
    }
    const Job job = shared->jobs.front();
    shared->jobs.pop_front();
    lock.unlock();
    std::string digits = digest(job.file, job.pid);
    lock.lock();
    shared->results.emplace_back(job.file, std::move(digits));
  }
}

// Signals are the caller's.
void Hasher::begin() {
  shared_ = std::make_shared<Shared>();
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread(work, shared_).detach();
  } catch (const std::system_error&) {  // there may be no more: nothing becomes known
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Hasher::take_results() {
  std::vector<std::pair<image, std::string>> results;
  {
    const std::unique_lock lock(shared_->mutex, std::try_to_lock);
    if (!lock.owns_lock()) return;
    results.swap(shared_->results);
  }
  for (auto& [file, digits] : results) {
    Entry& e = known_[file];
    e.under_way = false;
    e.digits = std::move(digits);
    e.again = std::chrono::steady_clock::now() + kAgain;
  }
}

std::string_view Hasher::of(const image& file, ev_pid pid) {
  if (const auto found = known_.find(file); found != known_.end() && !found->second.digits.empty()) return found->second.digits;
  if (file.ino == ev_ino{}) return {};
  if (!shared_) begin();
  take_results();
  if (known_.size() >= kKnown) known_.clear();
  Entry& e = known_[file];
  if (e.under_way || !e.digits.empty() || file.size > kLargest || std::chrono::steady_clock::now() < e.again) return e.digits;
  const std::unique_lock lock(shared_->mutex, std::try_to_lock);
  if (lock.owns_lock() && shared_->jobs.size() < kJobs) {
    shared_->jobs.push_back({file, static_cast<pid_t>(pid)});
    shared_->wake.notify_one();
    e.under_way = true;
  }
  return {};
}

bool HashStage::wants(Record& r) {
  if (const context* who = r.who()) r.sha256 = hasher_.of(who->image, r.as<event_header>().pid);
  return true;
}

}  // namespace needle
