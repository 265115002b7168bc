#!/usr/bin/env bash
# Installs what mpsearch needs to build and test on Debian 12. Safe to run again: finished parts are skipped.
# As root, or as a user with sudo. The ONNX C++ library is built once and kept in the user's cache folder.
set -euo pipefail

packages=(
  build-essential ninja-build ccache pkg-config ca-certificates git
  python3 python3-pip python3-venv
  libdnnl-dev libtbb-dev libprotobuf-dev protobuf-compiler
  libcli11-dev nlohmann-json3-dev libfmt-dev libspdlog-dev libtomlplusplus-dev
  coinor-libcbc-dev zlib1g-dev libarchive-dev libssl-dev libxxhash-dev libjs-vega
  libgtest-dev libgmock-dev libbenchmark-dev clang-format clang-tidy-16
  dataset-fashion-mnist libonnx-testdata
)
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
onnx_version=1.23.2
onnx=$cache/onnx-$onnx_version

say() { printf '%s\n' "install: $*" >&2; }

mkdir -p "$cache"
exec 9>"$cache/install.lock"
flock 9

missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null)" = "install ok installed" ] ||
    missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { say "needs root or sudo for: ${missing[*]}"; exit 69; }
    as_root=(sudo)
  fi
  say "${#missing[@]} Debian packages: ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
fi

if [ ! -x "$venv/bin/cmake" ]; then
  say "Python tools into $venv"
  /usr/bin/python3 -m venv "$venv"
  "$venv/bin/pip" install -q --disable-pip-version-check 'cmake>=3.26,<4'
fi

if [ ! -e "$onnx/lib/libonnx.a" ]; then
  say "ONNX $onnx_version (built once, about three minutes on two cores)"
  work=$(mktemp -d "$cache/build-XXXXXX")
  trap 'rm -rf "$work"' EXIT
  # pip runs the package's metadata hook, which would configure a build; fetch only.
  "$venv/bin/pip" download -q --disable-pip-version-check --no-deps --no-binary onnx \
    -d "$work" "onnx==$onnx_version" >&2
  tar -C "$work" -xzf "$work"/onnx-"$onnx_version".tar.gz
  "$venv/bin/cmake" -G Ninja -S "$work/onnx-$onnx_version" -B "$work/build" \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$work/install" -DCMAKE_INSTALL_LIBDIR=lib \
    -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DCMAKE_CXX_STANDARD=17 \
    -DONNX_ML=ON -DONNX_USE_PROTOBUF_SHARED_LIBS=ON -DONNX_USE_UNITY_BUILD=ON >&2
  "$venv/bin/cmake" --build "$work/build" -j "$jobs" >&2
  "$venv/bin/cmake" --install "$work/build" >/dev/null
  rm -rf "$onnx"
  mv "$work/install" "$onnx"
fi
say "ready"
