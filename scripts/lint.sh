#!/usr/bin/env bash
# Runs clang-tidy over the sources (16, as older ones do not know std::source_location).
# usage: scripts/lint.sh [FILE.cpp ...]   default: all sources of the product
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/environment.sh
[ -e build/release/compile_commands.json ] || cmake --preset release >&2
files=("$@")
[ ${#files[@]} -gt 0 ] ||
  mapfile -t files < <(git ls-files 'kernels/*.cpp' 'models/*.cpp' 'runtime/*.cpp' 'search/*.cpp' \
    'reports/*.cpp')
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$jobs" clang-tidy-16 -p build/release --quiet
