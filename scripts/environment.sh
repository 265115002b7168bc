# Sourced by the other scripts: plain locale, the cache folder, and the tools that are kept there.
export LC_ALL=C
export HOME=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/mpsearch
venv=$cache/venv
export PATH=$venv/bin:$PATH
jobs=${MPSEARCH_JOBS:-$(nproc)}
