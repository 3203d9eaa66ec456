#!/usr/bin/env bash
# Make a folder from which a Debian arm64 Python 3.11 with the edge's libraries runs on this machine, emulated by qemu-user.
#
# usage: packaging/arm64_root.sh FOLDER PYTHON
# FOLDER/python is the emulated interpreter; PYTHON fetches the arm64 wheels of packaging/edge.lock. No chroot, no second
# stage and no binfmt_misc: packages are unpacked, and qemu finds their libraries. So only the download needs root
# (debootstrap asks for it), and a container will do.
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

platforms=()
for platform in manylinux_2_{34,31,28,27,17}_aarch64 manylinux2014_aarch64; do platforms+=(--platform "$platform"); done
"$python" -m pip --disable-pip-version-check --quiet install --target "$folder/site" --python-version 3.11 \
    --implementation cp --only-binary=:all: "${platforms[@]}" --no-deps --require-hashes -r "$here/packaging/edge.lock"

# onnxruntime reads what processor it is on, and must not read this machine's: qemu looks for files in the root first.
mkdir -p "$folder/root/proc"
for core in 0 1; do
    printf '%s\t: %s\n' processor "$core" BogoMIPS 108.00 Features 'fp asimd evtstrm crc32 cpuid' \
        'CPU implementer' 0x41 'CPU architecture' 8 'CPU variant' 0x0 'CPU part' 0xd08 'CPU revision' 3
    echo
done >"$folder/root/proc/cpuinfo"

cat >"$folder/python" <<'EOF'
#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
# A processor without SVE, as most boards have.
export QEMU_CPU="${QEMU_CPU:-cortex-a72}" PYTHONPATH="$PYTHONPATH:$here/site"
exec qemu-aarch64-static -L "$here/root" "$here/root/usr/bin/python3.11" "$@"
EOF
chmod +x "$folder/python"
"$folder/python" -c 'import numpy, platform; print("numpy", numpy.__version__, "on", platform.machine())'
