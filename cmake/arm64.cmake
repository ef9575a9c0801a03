# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Toolchain of the preset arm64: Debian's cross compiler, and the arm64 libraries that tests/vm/sysroot has
# fetched, or else those of a system with `dpkg --add-architecture arm64`.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)

set(top $ENV{NEEDLE_VM})
if(NOT top)
  set(top $ENV{HOME}/.cache/needle-vm)
endif()
if(EXISTS ${top}/arm64)
  set(CMAKE_SYSROOT ${top}/arm64)
  set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
  set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
  set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
  set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
endif()
set(CMAKE_CROSSCOMPILING_EMULATOR ${CMAKE_CURRENT_LIST_DIR}/arm64-run)
