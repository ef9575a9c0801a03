// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// --file: which files its paths are. What is edited is as a rule replaced by another file of the same name.
#pragma once

#include "control.h"
#include "run/watch.h"

#include <string>
#include <vector>

struct bpf_program;  // libbpf's

namespace needle {

class FileWatch final : public Watch {
 public:
  // `find`: file__run of file.bpf.h, loaded; `programs`: where they look; both borrowed. The paths need not be there yet. Throws Error.
  FileWatch(bpf_program* find, watched_files* programs, const std::vector<std::string>& paths);

  int fd() const override { return notify_.fd(); }
  void tell_absent() const override;
  void look() override;
  std::uint64_t capabilities() const override;

 private:
  struct File {
    std::string path;
    file_id ids[2] = {};  // as the programs have them; ino 0: it is not there
  };
  bool update(File&, std::size_t index);  // whether it has become another

  bpf_program* find_;
  watched_files* programs_;
  Notify notify_;
  std::vector<File> files_;
};

}  // namespace needle
