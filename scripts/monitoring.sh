#!/usr/bin/env bash
# Checks what operators rely on: the alert rules (promtool: syntax, and a firing and a silent case for each), and that
# each alert's runbook link leads to a section.
set -euo pipefail
cd "$(dirname "$0")/.."

rules=docs/monitoring/rules
cache=${XDG_CACHE_HOME:-$HOME/.cache}/nova-services/promtool

# promtool, from Debian's package unpacked in the cache where it is not installed: installing the package would start
# a Prometheus on this machine.
promtool() {
  local tool
  if tool=$(type -P promtool) || { tool=$cache/usr/bin/promtool && [ -x "$tool" ]; }; then
    "$tool" "$@"
    return
  fi
  echo "fetching promtool (Debian's package prometheus)" >&2
  mkdir -p "$cache"
  (cd "$cache" && apt-get download prometheus >/dev/null 2>&1 && dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb) || {
    echo "promtool could not be fetched; once, by hand: sudo apt-get install prometheus" >&2
    return 69
  }
  "$tool" "$@"
}

promtool check rules "$rules"/*.yml
promtool test rules "$rules"/tests/*.yml

status=0
fail() {
  echo "monitoring: $1"
  status=1
}
# The anchors that a Markdown viewer gives to headings.
anchors=$(sed -n 's/^##* *//p' docs/operations/runbook.md | tr '[:upper:] ' '[:lower:]-' | tr -cd '[:alnum:]\n_-')
for file in "$rules"/*.yml; do
  tests=$rules/tests/$(basename "$file")
  while read -r alert; do
    anchor=${alert,,}
    grep -q "runbook: docs/operations/runbook.md#$anchor\$" "$file" || fail "$alert names no section of the runbook"
    grep -qx "$anchor" <<<"$anchors" || fail "docs/operations/runbook.md has no section $alert"
    grep -q -- "- name: $alert fires" "$tests" || fail "$alert has no firing case in $tests"
    grep -q -- "- name: $alert is silent" "$tests" || fail "$alert has no silent case in $tests"
  done < <(sed -n 's/^ *- alert: *//p' "$file")
done
[ "$status" = 0 ] && echo "monitoring: every alert is tested and has its section in the runbook"
exit "$status"
