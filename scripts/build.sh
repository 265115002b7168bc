#!/usr/bin/env bash
# Installs what is missing, then builds a preset (default: release) into build/PRESET.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
preset=${1:-release}

scripts/install-dependencies.sh
. scripts/environment.sh
cmake --preset "$preset" >&2
cmake --build --preset "$preset" -j "$jobs" >&2
