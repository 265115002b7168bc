#!/usr/bin/env bash
# Formats all sources with clang-format; with --check only says which ones differ, and exits 1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
how=(-i)
[ "${1:-}" != --check ] || how=(--dry-run -Werror)
git ls-files -z '*.h' '*.cpp' '*.cu' '*.cuh' '*.proto' |
  xargs -0 -r clang-format --style=file "${how[@]}"
