#!/usr/bin/env bash
# Builds the control plane's enclave image, the same bytes on any machine, and prints what it measures to.
#   scripts/enclave.sh DEPLOYMENT        DEPLOYMENT: which contracts and cluster it serves (`deployment.json`)
# Everything is built below target/enclave; OUT names another place, KERNEL a bzImage that is there already.
set -euo pipefail
cd "$(dirname "$0")/.."
deployment=${1:?usage: scripts/enclave.sh DEPLOYMENT (the deployment.json of the cluster that it is to serve)}
out=${OUT:-$PWD/target/enclave}
kernel_package=linux-source-6.12
mkdir -p "$out"

die() { echo "error: $*" >&2; exit 1; }
[ -f "$deployment" ] || die "there is no $deployment"

# Nothing of this machine, this user or this moment may get into what is measured.
export SOURCE_DATE_EPOCH=0 LC_ALL=C TZ=UTC
umask 022

if [ -z "${KERNEL:-}" ]; then
    packages=("$kernel_package" gcc make flex bison bc libelf-dev xz-utils)
    missing=()
    for p in "${packages[@]}"; do
        dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$p")
    done
    if [ "${#missing[@]}" -gt 0 ]; then
        [ "$(id -u)" = 0 ] || die "these packages are missing and need root to install: ${missing[*]}"
        echo "installing ${missing[*]}"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    fi
    version=$(dpkg-query -W -f='${Version}' "$kernel_package")
    KERNEL=$out/bzImage
    stamp="$version $(sha256sum <enclave/kernel.config | cut -d' ' -f1) $(gcc -dumpfullversion)"
    if [ "$(cat "$out/kernel.stamp" 2>/dev/null)" != "$stamp" ]; then
        echo "building the kernel ($kernel_package $version)"
        rm -rf "$out/linux" && mkdir "$out/linux"
        tar -xf "/usr/src/$kernel_package.tar.xz" -C "$out/linux" --strip-components=1
        export KBUILD_BUILD_TIMESTAMP='1970-01-01' KBUILD_BUILD_USER=daas KBUILD_BUILD_HOST=daas KBUILD_BUILD_VERSION=1
        quiet=(make -C "$out/linux" -s)
        "${quiet[@]}" tinyconfig
        (cd "$out/linux" && scripts/kconfig/merge_config.sh -m .config ../../../enclave/kernel.config >/dev/null)
        "${quiet[@]}" olddefconfig
        # A wish that kconfig dropped is an image that doesn't boot, or is less hard than it says.
        while read -r line; do
            case $line in
                CONFIG_*=n) grep -q "^${line%=n}=[ym]" "$out/linux/.config" && die "kernel: ${line%=n} is on" || true ;;
                CONFIG_*) grep -qxF "$line" "$out/linux/.config" || die "kernel: $line was not taken" ;;
            esac
        done <enclave/kernel.config
        "${quiet[@]}" -j"$(nproc)" bzImage
        cp "$out/linux/arch/x86/boot/bzImage" "$KERNEL"
        rm -rf "$out/linux"
        echo "$stamp" >"$out/kernel.stamp"
    fi
    echo "kernel: $kernel_package $version"
fi

echo "building the program"
cargo_home=${CARGO_HOME:-$HOME/.cargo}
sysroot=$(rustc --print sysroot)
separator=$'\x1f'
export CARGO_ENCODED_RUSTFLAGS="-Ctarget-feature=+crt-static${separator}--remap-path-prefix=$PWD=/daas${separator}--remap-path-prefix=$cargo_home=/cargo${separator}--remap-path-prefix=$sysroot=/rust"
export CFLAGS="-ffile-prefix-map=$PWD=/daas -ffile-prefix-map=$cargo_home=/cargo" CARGO_INCREMENTAL=0
cargo build --release --locked -p daas --target-dir "$out/build"
host=$(rustc -vV | sed -n 's/^host: //p')
program=$out/build/$host/release/daas

source=$(git rev-parse HEAD 2>/dev/null || echo unknown)
[ -z "$(git status --porcelain 2>/dev/null)" ] || source="$source with changes"
"$program" enclave image --kernel "$KERNEL" --program "$program" --server-config enclave/server.yaml \
    --enclave-config enclave/enclave.yaml --deployment "$deployment" --source "$source" --out "$out/daas.eif"
echo "image: $out/daas.eif (sha256 $(sha256sum <"$out/daas.eif" | cut -d' ' -f1)), from $source"
