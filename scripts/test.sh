#!/usr/bin/env bash
# Installs, builds and runs all tests. Ends with CTest's own verdict and exits with CTest's status.
# Arguments go to ctest, e.g. scripts/test.sh -R layering
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/build.sh release
. scripts/environment.sh
log=build/release/test.log
status=0
ctest --preset release -j "$jobs" --no-tests=error "$@" 2>&1 | tee "$log" || status=$?
grep -E '^[0-9]+% tests passed' "$log" || echo "no tests were run"
exit "$status"
