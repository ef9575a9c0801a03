// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The SHA-256 of the programs that processes run. A thread of its own reads them, each once.
#pragma once

#include "event.h"
#include "stage.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace needle {

class Hasher {
 public:
  Hasher() = default;
  ~Hasher();  // does not wait for the thread, which may wait for a file system

  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;

  // Of the program of that process, 64 hexadecimal digits; empty: not known yet, or never, because it is too large, cannot be read,
  // or the process is gone before it is. Never waits. Valid until the next call. The thread begins with the first one, with the
  // capabilities of the caller by then.
  std::string_view of(const image&, ev_pid);

 private:
  struct Job {
    image file;
    pid_t pid;
  };
  struct Hash {
    std::size_t operator()(const image&) const;
  };
  struct Same {
    bool operator()(const image&, const image&) const;
  };
  struct Entry {
    std::string digits;
    bool under_way = false;
    std::chrono::steady_clock::time_point again{};  // when to try, if it could not be read
  };

  struct Shared {
    std::mutex mutex;
    std::condition_variable wake;
    std::deque<Job> jobs;
    std::vector<std::pair<image, std::string>> results;  // without digits: it could not be read
    bool end = false;
  };

  static void work(const std::shared_ptr<Shared>&);
  void begin();
  void take_results();

  std::unordered_map<image, Entry, Hash, Same> known_;
  std::shared_ptr<Shared> shared_;  // null: there is no thread yet
};

// Gives each record what is known of its process's program.
class HashStage final : public Stage {
 public:
  bool wants(Record&) override;

 private:
  Hasher hasher_;
};

}  // namespace needle
