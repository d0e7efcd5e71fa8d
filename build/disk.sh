#!/usr/bin/env bash
# Makes the disk of a small Debian 12 with systemd, for guests that install packages: a file with ext4, without a kernel.
#
#   build/disk.sh FILE
#
# It comes from the mirror that the machine itself uses, needs root or sudo, and appears when it is whole, or not at all.
set -euo pipefail
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
# shellcheck source=build/debian.sh
. "$(dirname "$0")/debian.sh"

die() { printf 'disk: %s\n' "$*" >&2; exit 1; }

[ $# -eq 1 ] || die "usage: build/disk.sh FILE"
disk=$1
[ ! -e "$disk" ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "needs root: run it as root, or install sudo"
    exec sudo -- "$0" "$disk"
fi
mkdir -p "$(dirname "$disk")"
work=$(mktemp -d "$disk.XXXXXX")
trap 'rm -rf "$work"' EXIT
read -r uri key < <(debian_source) || die "found no apt source for bookworm on this machine"

# bash-completion is what the completions of our package stand on. What a guest does not need is left out; pages and texts of our
# own package are not.
mmdebstrap --quiet --mode=root --variant=minbase --include=systemd-sysv,udev,kmod,bash-completion ${key:+--keyring="$key"} \
    --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --customize-hook='rm -f "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap "$1"/etc/resolv.conf' \
    --customize-hook='echo guest >"$1/etc/hostname"; echo "127.0.0.1 localhost guest" >"$1/etc/hosts"' \
    --customize-hook='chroot "$1" systemctl mask getty.target apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service' \
    bookworm "$work/root" "deb $uri bookworm main"
truncate -s 600M "$work/disk"
mke2fs -q -t ext4 -O ^has_journal -d "$work/root" "$work/disk"
chown "${SUDO_UID:-0}:${SUDO_GID:-0}" "$work/disk"
mv -T "$work/disk" "$disk"
