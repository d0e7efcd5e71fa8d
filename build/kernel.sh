#!/usr/bin/env bash
# Fetches the kernel that a package of Debian 12 stands for, of any architecture, and unpacks it. Nothing is installed.
#
#   build/kernel.sh ARCHITECTURE PACKAGE FOLDER      build/kernel.sh arm64 linux-image-arm64 ~/.cache/…/arm64
#
# apt works in a root of its own beside FOLDER, checks the archive's signature with the machine's key for Debian, and leaves the
# machine's own lists alone. FOLDER appears when all of it is there, or not at all.
set -euo pipefail
export LC_ALL=C
# shellcheck source=build/debian.sh
. "$(dirname "$0")/debian.sh"

die() { printf 'kernel: %s\n' "$*" >&2; exit 1; }

[ $# -eq 3 ] || die "usage: build/kernel.sh ARCHITECTURE PACKAGE FOLDER"
architecture=$1 package=$2 folder=$3
mkdir -p "$(dirname "$folder")"
exec 9>"$folder.lock"
flock 9 # who else fetches it now
[ ! -e "$folder" ] || exit 0
rm -rf "$folder".tmp.* # of one that was killed
work=$(mktemp -d "$folder.tmp.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/sources" "$work/state/lists/partial" "$work/cache/archives/partial" "$work/kernel"
: >"$work/status"
read -r uri key < <(debian_source) || die "found no apt source for bookworm on this machine"
{
    printf 'Types: deb\nURIs: %s\nSuites: bookworm bookworm-updates\nComponents: main\n' "$uri"
    [ -z "$key" ] || printf 'Signed-By: %s\n' "$key"
} >"$work/sources/debian.sources"

# APT::Sandbox::User: apt's own user may not enter every cache folder.
private=(-q -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$work/sources" -o "Dir::State=$work/state"
    -o "Dir::State::status=$work/status" -o "Dir::Cache=$work/cache" -o "APT::Architecture=$architecture"
    -o "APT::Architectures::=$architecture" -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
    -o APT::Sandbox::User= -o Acquire::Retries=3)
apt-get "${private[@]}" -o APT::Update::Error-Mode=any update
image=$(apt-cache "${private[@]}" show "$package" | sed -n 's/^Depends: .*\(linux-image-[^ ,]*\).*/\1/p' | sed -n 1p)
[ -n "$image" ] || die "Debian 12 has no kernel behind the package $package for $architecture"
(cd "$work" && apt-get "${private[@]}" download "$image")
dpkg-deb -x "$work"/linux-image-*.deb "$work/kernel"
mv -T "$work/kernel" "$folder"
