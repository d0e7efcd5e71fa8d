#!/usr/bin/env bash
# Puts xtls-agent onto a card with Raspberry Pi OS (or Debian for the Raspberry Pi) before it is first started.
#
#   build/arm/raspberry-pi-os/customize.sh BOOT ROOT PACKAGE.deb [CONFIG.toml]
#
# BOOT and ROOT are where the card's two partitions, or those of an image (losetup -P), are mounted. It switches I²C, SPI and the
# drivers for remote controls on, and leaves the package to be installed at the first start, with the configuration if there is one.
set -euo pipefail

die() { printf 'customize: %s\n' "$*" >&2; exit 1; }

[ $# -ge 3 ] || die "usage: $0 BOOT ROOT PACKAGE.deb [CONFIG.toml]"
boot=$1 root=$2 package=$3 config=${4:-}
[ -f "$boot/config.txt" ] || die "$boot holds no config.txt: is the card's first partition mounted there?"
[ -d "$root/etc/systemd/system" ] || die "$root holds no system: is the card's second partition mounted there?"
[ -f "$package" ] || die "there is no package $package"

# switch_on LINE adds a line to config.txt, once.
switch_on() { grep -qxF "$1" "$boot/config.txt" || printf '%s\n' "$1" >>"$boot/config.txt"; }

switch_on '[all]'
switch_on 'dtparam=i2c_arm=on'
switch_on 'dtparam=spi=on'
# The television's remote control, over HDMI, is there with this driver of the kernel; an infrared receiver on GPIO18 by the second.
switch_on 'dtoverlay=vc4-kms-v3d'
switch_on 'dtoverlay=gpio-ir,gpio_pin=18'

install -d "$root/etc/modules-load.d" "$root/etc/xtls-agent" "$root/var/cache/xtls-agent"
printf 'i2c-dev\n' >"$root/etc/modules-load.d/xtls-agent.conf"
install -m 644 "$package" "$root/var/cache/xtls-agent/xtls-agent.deb"
[ -z "$config" ] || install -m 644 "$config" "$root/etc/xtls-agent/config.toml"

# dpkg, and not apt: nothing is fetched. A configuration that is there already stays.
cat >"$root/etc/systemd/system/xtls-agent-install.service" <<'END'
[Unit]
Description=Install xtls-agent at the first start
ConditionPathExists=/var/cache/xtls-agent/xtls-agent.deb
After=local-fs.target

[Service]
Type=oneshot
Environment=DEBIAN_FRONTEND=noninteractive
ExecStart=/usr/bin/dpkg --force-confold --install /var/cache/xtls-agent/xtls-agent.deb
ExecStart=/usr/bin/rm -r /var/cache/xtls-agent

[Install]
WantedBy=multi-user.target
END
install -d "$root/etc/systemd/system/multi-user.target.wants"
ln -sf ../xtls-agent-install.service "$root/etc/systemd/system/multi-user.target.wants/xtls-agent-install.service"
