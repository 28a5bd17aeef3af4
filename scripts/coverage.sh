#!/usr/bin/env bash
# Prints the line coverage of the workspace's own code under all tests. `--html` also writes target/coverage/html.
# Arguments after `--` go to `cargo test`.
#
# The compiler's own instrumentation, applied to the workspace's crates only, so that the dependencies built by an
# ordinary test run are used again. The profiles are read by Debian's llvm: the newest there is, which must be at
# least as new as the profile format (llvm 19 reads what rustc 1.95 writes; the compiler's own release is preferred).
set -euo pipefail
cd "$(dirname "$0")/.."

html=false
if [ "${1:-}" = --html ]; then
  html=true
  shift
fi
[ "${1:-}" = -- ] && shift

target=${CARGO_TARGET_DIR:-target}
profiles=$(mkdir -p "$target/coverage" && cd "$target/coverage" && pwd)
wanted=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')

llvm_bin() {
  local version
  for version in "$wanted" 22 21 20 19; do
    if [ -x "/usr/lib/llvm-$version/bin/llvm-cov" ] && [ "$version" -le "$wanted" ]; then
      echo "/usr/lib/llvm-$version/bin"
      return
    fi
  done
  return 1
}
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}
if ! llvm=$(llvm_bin); then
  echo "installing Debian's llvm to read the coverage profiles"
  as_root apt-get update >/dev/null 2>&1 || true
  as_root apt-get install -y --no-install-recommends "llvm-$wanted" >/dev/null 2>&1 ||
    as_root apt-get install -y --no-install-recommends llvm-19 >/dev/null 2>&1 || true
  llvm=$(llvm_bin) || {
    echo "no llvm that reads these profiles; install one: sudo apt-get install llvm-$wanted (or llvm-19)"
    exit 69
  }
fi

rm -f "$profiles"/*.profraw
wrapper=$profiles/rustc-with-coverage
printf '#!/bin/sh\nexec "$@" -Cinstrument-coverage\n' >"$wrapper"
chmod +x "$wrapper"

# %m keeps one pool of files a binary, merged by the processes themselves; a process killed on purpose counts nothing.
export RUSTC_WORKSPACE_WRAPPER=$wrapper LLVM_PROFILE_FILE=$profiles/%2m.profraw
cargo test --workspace --locked --no-run --message-format=json 2>/dev/null >"$profiles/build.json" || {
  cargo test --workspace --locked --no-run
  exit 1
}
status=0
cargo test --workspace --locked "$@" 2>&1 || status=$?
if [ "$status" != 0 ]; then
  echo "tests failed under coverage; the figure below is incomplete"
fi

mapfile -t binaries < <(grep -o '"executable":"[^"]*"' "$profiles/build.json" | cut -d'"' -f4 | sort -u)
"$llvm/llvm-profdata" merge -sparse "$profiles"/*.profraw -o "$profiles/all.profdata"
objects=("${binaries[0]}")
for binary in "${binaries[@]:1}"; do objects+=(-object "$binary"); done
common=(--instr-profile "$profiles/all.profdata" --ignore-filename-regex '/\.cargo/|/rustc/|/tests/|/tests\.rs$|/target/')

"$llvm/llvm-cov" report "${objects[@]}" "${common[@]}" --show-region-summary=false --show-branch-summary=false |
  sed "s|^$PWD/||" >"$profiles/report.txt"
cat "$profiles/report.txt"
if $html; then
  "$llvm/llvm-cov" show "${objects[@]}" "${common[@]}" --format html --output-dir "$profiles/html"
  echo "HTML report: $profiles/html/index.html"
fi
awk '/^TOTAL/ { print "line coverage: " $7 }' "$profiles/report.txt"
exit "$status"
