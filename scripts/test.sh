#!/usr/bin/env bash
# The one test command: installs what the tests need and is missing, then runs all of them.
# Arguments go to `cargo test`, e.g. `scripts/test.sh --test it rooms`.
set -uo pipefail
cd "$(dirname "$0")/.."

unavailable=()

# Runs apt-get as root, through sudo where it asks for no password, or not at all.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo -n "$@"
  else return 1
  fi
}

# need PROGRAM PACKAGE WHAT-FOR
need() {
  [ -x "$1" ] && return
  echo "$1 is missing; installing the Debian package $2 ($3)"
  if ! command -v apt-get >/dev/null || ! {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$2" >/dev/null 2>&1 ||
      { as_root apt-get update >/dev/null 2>&1 &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$2" >/dev/null; }
  } || [ ! -x "$1" ]; then
    echo "could not install it here. Do it once yourself: sudo apt-get install $2"
    unavailable+=("$2 ($3)")
  fi
}

need /usr/bin/chromium chromium "the page's tests"
need /usr/bin/chromedriver chromium-driver "the page's tests"

status=0
cargo test --workspace --locked "$@" || status=$?

if command -v node >/dev/null; then
  node --test tests/js/*.test.mjs || status=$?
else
  unavailable+=("node (tests of the page's room client)")
fi

# What could not be had is a failure too: a test that did not run has not passed.
if [ ${#unavailable[@]} -gt 0 ]; then
  echo "services not available: $(printf '%s; ' "${unavailable[@]}")"
  [ "$status" = 0 ] && status=1
else
  echo "services not available: none"
fi
exit "$status"
