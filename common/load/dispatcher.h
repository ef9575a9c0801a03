// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// One program at each tracepoint of all system calls, for all tools of a process: see bpf/dispatcher.bpf.c.
#pragma once

#include "dispatch.h"

#include <bpf/libbpf.h>

#include <memory>
#include <string>
#include <vector>

struct dispatcher_bpf;

namespace needle {

class Loader;
class Object;

class Dispatcher {
 public:
  Dispatcher();
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // From now on a program of an object that has been loaded runs whenever a call comes by that it wants. False: it has to be attached
  // by itself, since it is at no such tracepoint, does not say which calls it wants (CALLS_OF() of bpf/syscall.bpf.h), there is no
  // room, or this kernel cannot do that. `types`: a file with the kernel's types, null: /sys has them.
  bool add(const bpf_program*, const Object&, Loader&, const char* types);
  void remove(const bpf_program*);  // it runs no more

  const bpf_object* object() const;  // null: there is none
  std::string report() const;        // for -v, a line

 private:
  struct Added {
    const bpf_program* program;
    dispatched* calls;
    unsigned place;
  };

  bool load(Loader&, const char* types, bool untyped);
  bool attach(bool enters);

  std::unique_ptr<dispatcher_bpf, void (*)(dispatcher_bpf*)> bpf_;
  bpf_link *enter_ = nullptr, *exit_ = nullptr;
  std::vector<Added> added_;
  std::string refusal_;  // why there is none
};

}  // namespace needle
