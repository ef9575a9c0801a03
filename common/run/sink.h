// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Where lines go: to standard output, or to a file that can be rotated and opened again.
#pragma once

#include "print/text.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace needle {

// When to go on in a new file; 0: never.
struct Rotate {
  std::uint64_t bytes = 0;
  std::chrono::seconds time{0};
};

class Sink {
 public:
  // Puts what each file begins with; `part`: the how manieth it is, from 1.
  using Beginning = std::function<void(Buffer&, unsigned part)>;

  // `output`: the name of a file, which is made or appended to; empty: standard output. `shared`: a command writes there too.
  // Throws Error.
  Sink(std::string output, Rotate rotate, bool shared, Beginning beginning);
  ~Sink();
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  // To be called when privileges are gone. Throws Error if files could not be rotated without them.
  void check_rotation() const;
  void begin();  // the first file
  // Lines, whole ones: so are they in each file, also when it cannot take more. Blocks. Throws Error.
  void write(std::string_view lines);
  // Opens the file of that name again, if it is another one than the one that is open, or empty; else, and where it cannot be
  // opened, goes on with that.
  void reopen();

  int fd() const { return fd_; }
  bool reader_gone() const { return gone_; }  // of a pipe: what is written is dropped
  void forget_reader() { gone_ = true; }      // somebody has seen that it has gone

 private:
  int open_file(bool wait) const;
  bool is_open_one(int directory_entry) const;
  void use(int fd);
  void rotate();
  void put(std::string_view lines);
  std::string name_of_old() const;

  const std::string output_;
  const Rotate rotate_;
  const bool shared_;
  const Beginning beginning_;
  int fd_;
  bool gone_ = false, regular_ = false, has_lines_ = false;  // has_lines_: behind its beginning
  unsigned part_ = 0;
  std::uint64_t size_ = 0, limit_ = 0;  // bytes of the file; at which it is rotated
  std::chrono::system_clock::time_point began_;
  std::chrono::steady_clock::time_point due_;
};

}  // namespace needle
