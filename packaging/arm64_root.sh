#!/usr/bin/env bash
# Make a folder from which a Debian arm64 Python 3.11 with our numpy runs on this machine, emulated by qemu-user.
#
# usage: packaging/arm64_root.sh FOLDER PYTHON
# FOLDER/python is the emulated interpreter; PYTHON fetches the arm64 wheels of the versions in constraints.txt. No chroot,
# no second stage and no binfmt_misc: packages are unpacked, and qemu finds their libraries. So only the download needs
# root (debootstrap asks for it), and a container will do.
set -euo pipefail
folder=$1 python=$2
here=$(cd "$(dirname "$0")/.." && pwd)
suite=bookworm
unpacked=(
    libc6 libgcc-s1 libstdc++6 zlib1g libbz2-1.0 liblzma5 libexpat1 libffi8 libssl3
    libpython3.11-minimal libpython3.11-stdlib python3.11-minimal
)

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo --preserve-env=http_proxy,https_proxy "$@"; fi; }

if ! { command -v qemu-aarch64-static && command -v /usr/sbin/debootstrap && command -v dpkg-deb; } >/dev/null; then
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        debootstrap debian-archive-keyring qemu-user-static >/dev/null
fi

# Where this machine gets its own packages from; debootstrap knows a place where apt does not tell.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' "Codename: $suite" | sed -n 1p)

rm -rf "$folder"
mkdir -p "$folder/root/usr/bin" "$folder/root/usr/lib" "$folder/site"
folder=$(cd "$folder" && pwd)
packages=$(mktemp -d)
trap 'as_root rm -rf "$packages"' EXIT
echo "fetching the arm64 packages of $suite (once; 40 MB)"
as_root /usr/sbin/debootstrap --download-only --arch=arm64 --variant=minbase \
    --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    --include="$(IFS=, && echo "${unpacked[*]}")" "$suite" "$packages" ${mirror:+"$mirror"} >"$folder/debootstrap.log" ||
    { tail -n 5 "$folder/debootstrap.log" >&2; exit 1; }

# One /usr, as Debian has it: packages that still say /lib must land there too.
ln -s usr/bin "$folder/root/bin"
ln -s usr/lib "$folder/root/lib"
for package in "${unpacked[@]}"; do
    dpkg-deb --fsys-tarfile "$packages/var/cache/apt/archives/${package}"_*.deb |
        tar -x -C "$folder/root" --keep-directory-symlink --no-same-owner
done

"$python" -m pip --disable-pip-version-check --quiet install -c "$here/constraints.txt" --target "$folder/site" \
    --python-version 3.11 --implementation cp --only-binary=:all: --no-deps \
    --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux2014_aarch64 numpy

cat >"$folder/python" <<'EOF'
#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
PYTHONPATH="$here/site:$PYTHONPATH" exec qemu-aarch64-static -L "$here/root" "$here/root/usr/bin/python3.11" "$@"
EOF
chmod +x "$folder/python"
"$folder/python" -c 'import numpy, platform; print("numpy", numpy.__version__, "on", platform.machine())'
