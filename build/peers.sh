#!/usr/bin/env bash
# Installs the programs that xtls-agent is tested against: TLS-SRP peers nobody here wrote, two XMPP servers, emulators, valgrind, a reader of PDF.
#
#   build/peers.sh           install what is missing (Debian 12, root or sudo); says first what it will do
#   build/peers.sh --check   quick: exit 0 if everything is here, else say what is missing and exit 1
#
# Nothing is started while packages install, and no service that comes with them stays enabled. A service that was on
# this machine before is left as it is.
set -euo pipefail
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
# shellcheck source=build/debian.sh
. "$(dirname "$0")/debian.sh"

# From Debian 12 itself. gcc and libc6-dev also serve `go test -race`. qemu-user is qemu-user-static with plugins: bench/ counts by one.
# qemu-system plays whole machines; their kernels are fetched by kernel.sh when they are first needed.
# mmdebstrap and e2fsprogs make a guest's disk (disk.sh), lintian and systemd-analyze judge our packages.
stable_packages=(ca-certificates curl default-jdk-headless e2fsprogs gcc gnutls-bin libbcprov-java libbctls-java libbcutil-java
    libc6-dev libgnutls28-dev libssl-dev lintian mmdebstrap openssl poppler-utils python3-slixmpp python3-zeroconf qemu-system-arm qemu-system-x86
    qemu-user qemu-user-static strace systemd valgrind)
# From bookworm-backports: Debian 12's own Prosody 0.12 and ejabberd 23.01 lack working SASL2, Bind 2 and FAST.
# lua-unbound lets Prosody look up the peers of a federation.
backports_packages=(prosody prosody-modules ejabberd lua-unbound)
# What these packages (with Erlang, which ejabberd brings) would leave enabled.
services=(prosody ejabberd epmd)
units=(prosody.service ejabberd.service epmd.service epmd.socket)

policy=/usr/sbin/policy-rc.d
policy_before=$policy.before-xtls-agent
backports_list=/etc/apt/sources.list.d/xtls-agent-backports.sources

say() { printf 'peers: %s\n' "$*"; }
die() { printf 'peers: %s\n' "$*" >&2; exit 1; }

# installed_version PACKAGE prints its version, or nothing.
installed_version() { dpkg-query -W -f '${db:Status-Abbrev} ${Version}\n' "$1" 2>/dev/null | sed -n 's/^ii *//p'; }

# at_least PACKAGE VERSION
at_least() {
    local have
    have=$(installed_version "$1")
    [ -n "$have" ] && dpkg --compare-versions "$have" ge "$2"
}

# missing prints one package a line: what is not here, or too old.
missing() {
    command -v curl >/dev/null || echo curl
    command -v mke2fs >/dev/null || echo e2fsprogs
    command -v gcc >/dev/null || echo gcc
    command -v gnutls-serv >/dev/null && command -v gnutls-cli >/dev/null && command -v srptool >/dev/null || echo gnutls-bin
    command -v lintian >/dev/null || echo lintian
    command -v mmdebstrap >/dev/null || echo mmdebstrap
    command -v openssl >/dev/null || echo openssl
    command -v pdftotext >/dev/null && command -v pdftoppm >/dev/null || echo poppler-utils
    command -v qemu-arm-static >/dev/null || echo qemu-user-static
    command -v qemu-arm >/dev/null || echo qemu-user
    command -v qemu-system-arm >/dev/null && command -v qemu-system-aarch64 >/dev/null || echo qemu-system-arm
    command -v qemu-system-x86_64 >/dev/null || echo qemu-system-x86
    command -v strace >/dev/null || echo strace
    command -v systemd-analyze >/dev/null || echo systemd
    command -v valgrind >/dev/null || echo valgrind
    command -v node >/dev/null || echo nodejs
    [ -n "$(installed_version python3-slixmpp)" ] || echo python3-slixmpp
    [ -n "$(installed_version python3-zeroconf)" ] || echo python3-zeroconf
    command -v java >/dev/null && command -v javac >/dev/null || echo default-jdk-headless
    [ -e /usr/share/java/bcprov.jar ] || echo libbcprov-java
    [ -e /usr/share/java/bctls.jar ] || echo libbctls-java
    [ -e /usr/share/java/bcutil.jar ] || echo libbcutil-java
    [ -e /usr/include/stdlib.h ] || echo libc6-dev
    [ -e /usr/include/openssl/srp.h ] || echo libssl-dev
    [ -e /usr/include/gnutls/gnutls.h ] || echo libgnutls28-dev
    at_least prosody 13.0 || echo prosody
    at_least prosody-modules 0.0~hg2025 || echo prosody-modules
    at_least ejabberd 24.12 || echo ejabberd
    [ -n "$(installed_version lua-unbound)" ] || echo lua-unbound
}

have_backports() { apt-cache policy 2>/dev/null | grep -q 'n=bookworm-backports'; }

add_backports() {
    local uri key
    read -r uri key < <(debian_source) || die "found no apt source for bookworm on this machine: add bookworm-backports to apt's sources yourself, then run this again"
    say "adding $backports_list ($uri bookworm-backports)"
    {
        printf 'Types: deb\nURIs: %s\nSuites: bookworm-backports\nComponents: main\n' "$uri"
        [ -z "$key" ] || printf 'Signed-By: %s\n' "$key"
    } >"$backports_list"
}

apt() { DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 "$@"; }

# forbid_starts makes maintainer scripts start nothing until allow_starts; what stood there before comes back.
forbid_starts() {
    # One that is there already was left by a run that was killed: it is the real one.
    if [ -e "$policy" ] && [ ! -e "$policy_before" ]; then mv "$policy" "$policy_before"; fi
    trap allow_starts EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}

allow_starts() {
    rm -f "$policy"
    if [ -e "$policy_before" ]; then mv "$policy_before" "$policy"; fi
}

# service_known NAME: it was on this machine before us.
service_known() { [ -e "/etc/init.d/$1" ] || [ -e "/lib/systemd/system/$1.service" ]; }

# disable_new NAME…: of the services that came with this run, none is started at boot.
disable_new() {
    local name unit
    for name in "$@"; do
        [ ! -e "/etc/init.d/$name" ] || update-rc.d "$name" disable >/dev/null 2>&1 || true
        for unit in "${units[@]}"; do
            case $unit in "$name".*) ;; *) continue ;; esac
            [ -e "/lib/systemd/system/$unit" ] || continue
            if command -v systemctl >/dev/null; then systemctl disable "$unit" >/dev/null 2>&1 || true; fi
            if [ -d /run/systemd/system ]; then systemctl stop "$unit" >/dev/null 2>&1 || true; fi
            rm -f /etc/systemd/system/*.wants/"$unit"
        done
        if compgen -G "/etc/rc[2-5].d/S??$name" >/dev/null; then die "$name is still enabled in /etc/rc?.d: disable it by hand"; fi
    done
}

report() {
    local package
    say "installed:"
    for package in "${stable_packages[@]}" "${backports_packages[@]}"; do
        printf '  %-18s %s\n' "$package" "$(installed_version "$package")"
    done
    printf '  %-18s %s\n' node "$(node --version 2>/dev/null || echo missing)"
}

install_missing() {
    local want=("$@") name new=() stable=() backports=()
    for name in "${services[@]}"; do service_known "$name" || new+=("$name"); done
    for name in "${want[@]}"; do
        case " ${backports_packages[*]} " in *" $name "*) backports+=("$name") ;; *) stable+=("$name") ;; esac
    done

    forbid_starts
    if [ ${#backports[@]} -gt 0 ] && ! have_backports && [ ! -e "$backports_list" ]; then add_backports; fi
    apt update
    if [ ${#stable[@]} -gt 0 ]; then apt install -y --no-install-recommends "${stable[@]}"; fi
    if [ ${#backports[@]} -gt 0 ]; then apt install -y --no-install-recommends -t bookworm-backports "${backports[@]}"; fi
    disable_new ${new[@]+"${new[@]}"}
}

main() {
    local list
    mapfile -t list < <(missing)
    case "${1:-}" in
    --check)
        [ ${#list[@]} -eq 0 ] && exit 0
        say "missing: ${list[*]} (run: make peers)"
        exit 1
        ;;
    '') ;;
    *) die "usage: build/peers.sh [--check]" ;;
    esac

    if [ ${#list[@]} -eq 0 ]; then
        report
        return
    fi
    # shellcheck source=/dev/null
    . /etc/os-release
    [ "${VERSION_CODENAME:-}" = bookworm ] || die "this knows Debian 12 only; install these yourself: ${list[*]} (Prosody 13.0 and ejabberd 24.12 or newer)"
    say "will install with apt: ${list[*]}"
    say "Prosody and ejabberd come from bookworm-backports; nothing is started, and no service stays enabled"
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "needs root: run it as root, or install sudo"
        exec sudo -- "$0"
    fi
    install_missing "${list[@]}"
    mapfile -t list < <(missing)
    [ ${#list[@]} -eq 0 ] || die "still missing after the installation: ${list[*]}"
    report
}

main "$@"
