#!/bin/sh
# Rewrites requirements.lock from pyproject.toml in a fresh environment, so that no package installed by hand gets in.
set -eu
python=${1:-python3.11}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "torch==2.14.1" "torchvision==0.29.1" ".[experiments,dev]"
{
    echo '# Exact versions of everything that `make demo` and `make test` install; ranges stand in pyproject.toml.'
    echo "# Made by \`make lock\` from a fresh environment. The marked packages are torch's CUDA libraries, which exist for Linux only."
    # cityscapesScripts requires `typing`, a backport of a module that Python has since 3.5; it breaks newer Pythons.
    "$folder/venv/bin/python" -m pip freeze --exclude convolution-padding --exclude typing |
        sed -E 's/^((nvidia|cuda)-.*|triton==.*)$/\1 ; sys_platform == "linux"/'
} > "$folder/requirements.lock"
mv "$folder/requirements.lock" requirements.lock
