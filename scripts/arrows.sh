#!/usr/bin/env bash
# Asserts which part may know which: crates by Cargo's own tree, modules by their imports, and that files stay short.
set -uo pipefail
cd "$(dirname "$0")/.."

failed=0
refuse() {
  echo "arrow: $1"
  failed=1
}

# The actors' crate knows no transport and no driver.
tree=$(cargo tree --locked -p nova-actors -e normal --prefix none) || refuse "cargo tree failed"
for crate in axum sqlx rdkafka fred clickhouse tokio-tungstenite hyper; do
  if grep -q "^$crate v" <<<"$tree"; then refuse "nova-actors depends on $crate"; fi
done

# forbid WHERE PATTERN WHY [EXCEPT-BELOW]; comment lines do not count.
forbid() {
  local found
  [ -e "$1" ] || return 0
  found=$(grep -rnE "$2" "$1" --include='*.rs' | grep -vE '^[^:]+:[0-9]+: *//')
  [ -n "${4:-}" ] && found=$(grep -v "^$4" <<<"$found")
  if [ -n "$found" ]; then
    echo "$found"
    refuse "$3"
  fi
}

# The edge sees handles and domain types; adapters see ports and domain.
for edge in src/http src/ws; do
  forbid "$edge" '\b(crate::adapters|nova::adapters|nova_actors::ports)\b' "$edge reaches past the handles"
done
forbid src/adapters '\bcrate::(http|ws|app|cli)\b' "adapters reach up"
forbid src/adapters '\bnova_actors::(streams|users|social|feed|loader|publisher|consumers|jobs|system)\b' \
  "adapters know actors"
forbid actors/src/domain '\bcrate::(ports|runtime|streams|users|social|feed|loader|publisher|consumers|system)\b' \
  "the domain knows more than itself"
forbid actors/src/ports '\bcrate::(runtime|streams|users|social|feed|loader|publisher|consumers|system)\b' \
  "a port knows actors"

# An actor reaches another one only through its handle: never its messages, state or actor module.
while read -r file; do
  folder=$(dirname "$file")
  path=${folder#actors/src/}
  forbid actors/src "\bcrate::${path//\//::}::(actor|messages|state)\b" "$path is reached past its handle" "$folder/"
done < <(find actors/src -name actor.rs)

long=$(git ls-files -co --exclude-standard '*.rs' '*.js' '*.mjs' '*.css' '*.html' '*.sh' '*.sql' |
  xargs -r wc -l | awk '$2 != "total" && $1 > 400')
if [ -n "$long" ]; then
  echo "$long"
  refuse "a file has more than 400 lines"
fi

[ "$failed" = 0 ] && echo "arrows: all hold"
exit "$failed"
