#!/usr/bin/env bash
# Formats all sources with clang-format; with --check only says which ones differ, and exits 1.
# Always version 14, Debian 12's: another version would format other lines.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
how=(-i)
[ "${1:-}" != --check ] || how=(--dry-run -Werror)
find kernels models runtime search reports tests -type f \
  \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' -o -name '*.proto' \) -print0 |
  xargs -0 -r clang-format-14 --style=file "${how[@]}"
