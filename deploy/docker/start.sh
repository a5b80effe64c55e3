#!/bin/sh
# What a container does: bring the service's database up to date, then serve. start.sh SERVICE [ROLE]
set -eu
service=$1
role=${2:-all}
python -m "services.$service" migrate
exec python -m "services.$service" "$role"
