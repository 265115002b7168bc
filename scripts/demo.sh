#!/usr/bin/env bash
# The main job from nothing: installs, builds, plans LeNet on Fashion-MNIST under a memory budget,
# trains it by that plan and prints the report's path. Files go to build/demo.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/build.sh release
mpsearch=$PWD/build/release/mpsearch
data=/usr/share/datasets/fashion-mnist
mkdir -p build/demo
cd build/demo

run() {
  printf '\n$ mpsearch %s\n' "$*" >&2
  "$mpsearch" "$@"
}
run zoo lenet -o lenet.onnx
run lenet.onnx --budget 80% --batch 128 --data "$data"
run train lenet.onnx --plan plan.json --data "$data" --lr 3e-3 --schedule cosine --epochs 5 \
  -o lenet-trained.onnx
run report plan.json lenet-trained.run.ndjson -o report.html >/dev/null

[ -s report.html ] || { echo "demo: no report was written" >&2; exit 2; }
printf '\nreport: %s\n' "$PWD/report.html"
