#!/usr/bin/env bash
# The one test command: installs what the tests need and is missing, starts the real servers, runs all tests and
# stops the servers. Arguments go to `cargo test`, e.g. `scripts/test.sh --test it rooms`. Given the path of another
# command in NOVA_TEST_COMMAND, runs that instead of the tests, with the same servers.
set -uo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

unavailable=()

install_package chromium test -x /usr/bin/chromium || unavailable+=("chromium (the page's tests)")
install_package chromium-driver test -x /usr/bin/chromedriver || unavailable+=("chromium-driver (the page's tests)")

NOVA_SERVICES_DIR=$(mktemp -d)
export NOVA_SERVICES_DIR
trap 'scripts/services.sh down' EXIT
trap 'exit 130' INT TERM
servers=$(scripts/services.sh up) || unavailable+=("$(tail -n 1 <<<"$servers")")
echo "$servers"
eval "$(scripts/services.sh env)"

status=0
if [ -n "${NOVA_TEST_COMMAND:-}" ]; then
  "$NOVA_TEST_COMMAND" || status=$?
else
  cargo test --workspace --locked "$@" || status=$?
fi

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
