#!/usr/bin/env bash
# Make a bare Debian bookworm as FILE (tar, zstd): what a newcomer's machine has, with python3, python3-venv and make.
#
# usage: tests/bare/make_tree.sh FILE          needs root, or sudo
set -euo pipefail
file=$1
suite=bookworm

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo --preserve-env=http_proxy,https_proxy "$@"; fi; }

if ! { command -v /usr/sbin/debootstrap && command -v zstd; } >/dev/null; then
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        debootstrap debian-archive-keyring zstd >/dev/null
fi

# Where this machine gets its own packages from; debootstrap knows a place where apt does not tell.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' "Codename: $suite" | sed -n 1p)

tree=$(mktemp -d)
trap 'as_root rm -rf "$tree"' EXIT
echo "making a bare Debian $suite (once)"
as_root /usr/sbin/debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    --include=python3,python3-venv,make "$suite" "$tree" ${mirror:+"$mirror"} >"$tree.log" 2>&1 ||
    { tail -n 5 "$tree.log" >&2; exit 1; }
rm -f "$tree.log"
as_root rm -rf "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/*
as_root truncate --size=0 "$tree/etc/apt/sources.list" "$tree/etc/machine-id" "$tree/etc/resolv.conf"
as_root chroot "$tree" useradd --create-home --shell /bin/sh newcomer
as_root chmod 755 "$tree"

mkdir -p "$(dirname "$file")"
as_root tar --create --zstd --numeric-owner --xattrs --directory "$tree" --file - . >"$file.new"
mv "$file.new" "$file"
