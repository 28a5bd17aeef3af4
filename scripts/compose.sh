#!/usr/bin/env bash
# Checks docker-compose.yml as `docker compose config` does; needs no Docker engine. Where Docker's own plugin is
# missing, Debian's docker-compose (installed when missing) checks it against the Compose specification instead.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

if docker compose version >/dev/null 2>&1; then
  docker compose --file docker-compose.yml config --quiet
  echo "docker-compose.yml: valid (docker compose)"
else
  install_package docker-compose command -v docker-compose
  docker-compose --file docker-compose.yml config --quiet
  echo "docker-compose.yml: valid (docker-compose, because docker compose is not installed)"
fi

# Nothing in it may be reachable from another machine, and every image names its version.
if found=$(grep -nE '^ +ports:' docker-compose.yml | grep -vE '\["127\.0\.0\.1:[0-9]+:[0-9]+"\]$'); then
  echo "a port that is not on loopback: $found"
  exit 1
fi
if found=$(grep -nE '^ +image:' docker-compose.yml | grep -vE ':v?[0-9]+\.[0-9.]+$'); then
  echo "an image without a version: $found"
  exit 1
fi
