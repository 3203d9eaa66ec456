#!/usr/bin/env bash
# Make a small Debian bookworm that boots in systemd-nspawn, as FILE (tar, zstd). The mirror is the one this machine's apt
# uses, read now and left nowhere.
#
# usage: tests/systemd/make_tree.sh FILE          needs root, or sudo
set -euo pipefail
file=$1
suite=bookworm
# systemd-sysv is the init; dbus carries systemctl; mosquitto and its clients stand for the broker of the aircraft.
included=systemd-sysv,dbus,python3,mosquitto,mosquitto-clients

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo --preserve-env=http_proxy,https_proxy "$@"; fi; }

needed() { command -v systemd-nspawn && command -v /usr/sbin/debootstrap && command -v zstd && command -v dpkg-deb; }
if ! needed >/dev/null; then
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        debootstrap debian-archive-keyring systemd-container zstd >/dev/null
fi

# Where this machine gets its own packages from; debootstrap knows a place where apt does not tell.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' "Codename: $suite" | sed -n 1p)

tree=$(mktemp -d)
trap 'as_root rm -rf "$tree"' EXIT
echo "making a Debian $suite that boots (once; 260 MB unpacked)"
as_root /usr/sbin/debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    --include="$included" "$suite" "$tree" ${mirror:+"$mirror"} >"$tree.log" 2>&1 ||
    { tail -n 5 "$tree.log" >&2; exit 1; }
rm -f "$tree.log"
as_root rm -rf "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/*
as_root truncate --size=0 "$tree/etc/apt/sources.list" "$tree/etc/machine-id" "$tree/etc/resolv.conf"
# The installer of a real box writes these two.
as_root sh -c 'echo edge-box >"$1/etc/hostname"; echo 127.0.0.1 localhost edge-box >"$1/etc/hosts"' sh "$tree"
as_root mkdir -p "$tree/var/log/journal"
# mktemp makes folders that no user but root may enter.
as_root chmod 755 "$tree"

mkdir -p "$(dirname "$file")"
as_root tar --create --zstd --numeric-owner --xattrs --directory "$tree" --file - . >"$file.new"
mv "$file.new" "$file"
