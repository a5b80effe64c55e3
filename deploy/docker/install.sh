#!/bin/sh
# The image's last build step, apart so that it can be run without an image: install.sh SOURCE VENV
set -eu
source=$1
venv=$2
"$venv/bin/python" -m pip install --no-cache-dir --no-deps --no-build-isolation "$source"
cp "$source/deploy/docker/start.sh" "$venv/start.sh"
