#!/usr/bin/env bash
# Installs what is missing on a Debian machine. Usage: scripts/deps.sh build|run|test
#   build  a C compiler for the cryptography library
#   run    containerd, runc, CNI plugins and the network tools that they call
#   test   also Node (the Move compiler runs on it), Python with PyYAML and the Kubernetes clients
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:-run}

die() { echo "error: $*" >&2; exit 1; }

command -v cargo >/dev/null || die "cargo is not installed: install Rust 1.95 with rustup, then run this again"

packages=(gcc libc6-dev make ca-certificates)
if [ "$what" != build ]; then
    packages+=(containerd runc containernetworking-plugins iproute2 iptables)
fi
if [ "$what" = test ]; then
    packages+=(swtpm swtpm-tools)
    packages+=(python3 python3-yaml python3-pip)
    command -v node >/dev/null || packages+=(nodejs)
    command -v npm >/dev/null || packages+=(npm)
fi

missing=()
for p in "${packages[@]}"; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$p")
done
if [ "${#missing[@]}" -gt 0 ]; then
    [ "$(id -u)" = 0 ] || die "these packages are missing and need root to install: ${missing[*]}"
    echo "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if [ "$what" = test ]; then
    command -v cargo-nextest >/dev/null || cargo install --locked cargo-nextest
    (cd contracts && npm ci --no-audit --no-fund --silent)
    scripts/clients.sh
fi
