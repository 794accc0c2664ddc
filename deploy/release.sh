#!/bin/sh
# Make a release of the commit that is checked out, in a new DIRECTORY: source, wheel, bill of materials, checksums.
# Usage: deploy/release.sh DIRECTORY (deploy/docs/releasing.md)
set -eu

[ $# -eq 1 ] && [ ! -e "$1" ] || { echo "usage: deploy/release.sh DIRECTORY, which must not exist" >&2; exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd -P)
locks=$root/deploy/requirements
name=quietline-$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/pyproject.toml" | head -n 1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022

python3 -m venv "$work/tools"
"$work/tools/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement "$locks/release.txt"
"$work/tools/bin/pip-audit" --require-hashes --disable-pip --requirement "$locks/runtime.txt"

mkdir "$work/out"
git -C "$root" archive --format=tar --prefix="$name/" HEAD | gzip -9n > "$work/out/$name.tar.gz"
tar -xzf "$work/out/$name.tar.gz" -C "$work"
SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct)
export SOURCE_DATE_EPOCH
"$work/tools/bin/python" -m build --wheel --outdir "$work/out" "$work/$name"
python3 -m venv --without-pip "$work/runs"
"$work/tools/bin/pip" --python "$work/runs/bin/python" install --quiet --disable-pip-version-check --no-deps --require-hashes \
    --requirement "$locks/runtime.txt"
"$work/tools/bin/cyclonedx-py" environment --output-reproducible --output-file "$work/out/$name.cdx.json" "$work/runs/bin/python"
(cd "$work/out" && sha256sum -- * > "$work/SHA256SUMS" && mv "$work/SHA256SUMS" .)
mkdir -p "$1"
cp "$work/out"/* "$1/"
