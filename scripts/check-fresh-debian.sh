#!/usr/bin/env bash
# Proves the README's two commands on a fresh minimal Debian 12: a debootstrap chroot, a clean
# clone of HEAD, no terminal, C locale. Needs root and debootstrap. The package mirror, the proxies,
# the certificates and pip settings are those of this machine. Nothing stays mounted; the chroot
# is removed unless --keep is given.
#
# usage: scripts/check-fresh-debian.sh [options] [COMMAND]
#   COMMAND         default: scripts/demo.sh && scripts/test.sh
#   --user          run as an ordinary user with sudo instead of as root
#   --with-cache    take this user's mpsearch cache along (no second build of ONNX)
#   --root FOLDER   the chroot's folder; an existing one is used again (default: a temporary one)
#   --keep          leave the chroot in place
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$repository/scripts/environment.sh"

account=root home=/root with_cache=0 keep=0 root=
while [ $# -gt 0 ]; do
  case $1 in
    --user) account=tester home=/home/tester ;;
    --with-cache) with_cache=1 ;;
    --root) root=$2; keep=1; shift ;;
    --keep) keep=1 ;;
    -*) echo "unknown option $1" >&2; exit 64 ;;
    *) break ;;
  esac
  shift
done
command=${*:-scripts/demo.sh && scripts/test.sh}
say() { printf 'fresh: %s\n' "$*" >&2; }
[ "$(id -u)" -eq 0 ] || { say "needs root"; exit 69; }
root=${root:-$(mktemp -d /var/tmp/fresh-debian-XXXXXX)}

# All mounts live in a namespace of their own, which ends with the command.
if [ -z "${MPSEARCH_FRESH_NAMESPACE:-}" ]; then
  status=0
  options=(--root "$root")
  [ $account = root ] || options+=(--user)
  [ $with_cache -eq 0 ] || options+=(--with-cache)
  MPSEARCH_FRESH_NAMESPACE=1 unshare --mount --propagation private \
    "${BASH_SOURCE[0]}" "${options[@]}" "$command" || status=$?
  [ $keep -eq 1 ] || rm -rf --one-file-system "$root"
  exit $status
fi

if [ ! -e "$root/etc/debian_version" ]; then
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Codename: bookworm' 'Component: main' |
    head -n 1)
  say "debootstrap into $root"
  debootstrap --variant=minbase bookworm "$root" "$mirror" >&2
fi

# The way out of this machine, as this machine itself has it.
cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
apt-config dump | grep -iE '^Acquire::(Check-|https?::)' >"$root/etc/apt/apt.conf.d/99-outer" || true
[ ! -e /etc/pip.conf ] || cp -L /etc/pip.conf "$root/etc/"
mkdir -p "$root/usr/local/share/ca-certificates"
cp -L /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/" 2>/dev/null ||
  true
mapfile -t passed < <(env | grep -iE '^(PIP_[A-Z_]*|https?_proxy|no_proxy|MPSEARCH_JOBS)=')

if [ $account != root ] && [ ! -e "$root$home" ]; then
  chroot "$root" sh -c "apt-get update -qq && apt-get install -y -qq --no-install-recommends sudo &&
    useradd -m -s /bin/bash $account && echo '$account ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/$account"
fi
rm -rf "$root$home/mpsearch"
git clone -q --no-hardlinks "$repository" "$root$home/mpsearch"
if [ $with_cache -eq 1 ]; then
  mkdir -p "$root$home/.cache/mpsearch"
  cp -a "$cache"/onnx-* "$root$home/.cache/mpsearch/"
fi
chroot "$root" chown -R "$account:" "$home"

mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
say "as $account: $command"
chroot --userspec "$account" "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C HOME="$home" \
  "${passed[@]}" bash -c "cd ~/mpsearch && $command" </dev/null 2>&1 | cat
say "ok: $command"
