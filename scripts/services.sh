#!/usr/bin/env bash
# Real Postgres, Redis, Kafka and a ClickHouse engine on free loopback ports, for tests, without Docker; in containers
# where a Docker engine answers (never with NOVA_SERVICES_DOCKER=no).
#
#   services.sh up       starts what is not running and waits for it; names what could not be had and fails then
#   services.sh down     stops what `up` has started
#   services.sh status   says how each one is
#   services.sh env      prints the variables by which tests find them
#
# Programs come from Debian's packages, Kafka from Maven's central repository, the ClickHouse engine from PyPI
# (installed when missing, kept in the user's cache). Data, logs and process ids are in NOVA_SERVICES_DIR.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/packages.sh
. "$here/packages.sh"

kafka_version=4.1.0
slf4j_version=1.7.36
chdb_version=4.4.0

state=${NOVA_SERVICES_DIR:-${TMPDIR:-/tmp}/nova-services-$(id -u)}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/nova-services
kafka=$cache/kafka-$kafka_version
engine=$cache/chdb-$chdb_version
services=(postgres redis kafka clickhouse)
# shellcheck source=scripts/containers.sh
. "$here/containers.sh"

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# exchange PORT REQUEST LENGTH: sends bytes, as printf writes them; the first bytes of the answer in hex.
exchange() {
  timeout 5 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0" && printf "$1" >&3 && head -c "$2" <&3' "$@" 2>/dev/null |
    od -An -tx1 | tr -d ' \n'
}

redis_answers() {
  [ "$(exchange "$1" 'PING\r\n' 5)" = 2b504f4e47 ] # +PONG
}

# Asked for the protocol's versions; the answer repeats the request's number, 7.
kafka_answers() {
  [[ $(exchange "$1" '\0\0\0\x0a\0\x12\0\0\0\0\0\x07\xff\xff' 8) == ????????00000007 ]]
}

clickhouse_answers() {
  [[ $(exchange "$1" 'GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' 12) == *20323030 ]] # 200
}

# When a process was started, in clock ticks since boot: tells it from a later one with the same id.
birth() {
  sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20
}

# launch NAME COMMAND…: in a session of its own, so that a signal to the caller does not reach it.
launch() {
  local name=$1
  shift
  setsid "$@" >"$state/$name/log" 2>&1 </dev/null &
  local pid=$!
  echo "$pid $(birth "$pid")" >"$state/$name/pid"
}

running() {
  local pid born
  if [ -e "$state/$1/container" ]; then
    container_running "$1"
    return
  fi
  read -r pid born 2>/dev/null <"$state/$1/pid" && [ -n "$born" ] && [ "$(birth "$pid")" = "$born" ]
}

# wait_until NAME SECONDS COMMAND…
wait_until() {
  local name=$1 deadline=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ! running "$name" || [ "$SECONDS" -ge "$deadline" ]; then
      echo "$name does not answer; the end of its log:"
      tail -n 15 "$state/$name/log"
      return 1
    fi
    sleep 0.1
  done
}

# Postgres refuses to run as root.
as_postgres() {
  if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi
}

start_postgres() {
  local port=$1 dir=$state/postgres bin
  install_package postgresql test -d /usr/lib/postgresql || return 1
  bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
  [ "$(id -u)" != 0 ] || chown postgres "$dir"
  cd "$dir" || return 1
  as_postgres "$bin/initdb" -A trust -U nova -E UTF8 --locale=C.UTF-8 -D "$dir/data" >"$dir/initdb.log" 2>&1 ||
    { tail -n 5 "$dir/initdb.log"; return 1; }
  if [ "$(id -u)" = 0 ]; then set -- setpriv --reuid=postgres --regid=postgres --clear-groups; else set --; fi
  launch postgres "$@" "$bin/postgres" -D "$dir/data" -p "$port" -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories= -c wal_level=logical -c max_connections=300
  wait_until postgres 30 "$bin/psql" -h 127.0.0.1 -p "$port" -U nova -d postgres -qc "create database nova_test"
}

start_redis() {
  install_package redis-server command -v redis-server || return 1
  launch redis redis-server --port "$1" --bind 127.0.0.1 --dir "$state/redis" --save '' --appendonly no
  wait_until redis 10 redis_answers "$1"
}

kafka_jars() {
  [ -d "$kafka/libs" ] && return
  install_package maven command -v mvn || return 1
  local work=$kafka.$$
  mkdir -p "$work"
  cat >"$work/pom.xml" <<POM
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>nova</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$kafka_version</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$kafka_version</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>$slf4j_version</version></dependency>
  </dependencies>
</project>
POM
  mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$work/libs" \
    >"$state/kafka/maven.log" 2>&1 || { tail -n 5 "$state/kafka/maven.log"; rm -rf "$work"; return 1; }
  mkdir -p "$kafka" && mv -T "$work/libs" "$kafka/libs"
  rm -rf "$work"
}

start_kafka() {
  local port=$1 controller dir=$state/kafka
  install_package default-jdk-headless command -v java || return 1
  kafka_jars || return 1
  controller=$(free_port)
  cat >"$dir/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$dir/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
PROPERTIES
  java -Xmx256m -cp "$kafka/libs/*" kafka.tools.StorageTool format -t "$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c1-22)" \
    -c "$dir/server.properties" >"$dir/format.log" 2>&1 || { tail -n 5 "$dir/format.log"; return 1; }
  launch kafka java -Xmx512m -cp "$kafka/libs/*" kafka.Kafka "$dir/server.properties"
  wait_until kafka 60 kafka_answers "$port"
}

chdb_environment() {
  [ -x "$engine/bin/python" ] && return
  install_package python3-venv python3 -c 'import ensurepip' || return 1
  rm -rf "$engine.tmp"
  python3 -m venv "$engine.tmp" && "$engine.tmp/bin/pip" install --quiet "chdb==$chdb_version" >"$state/clickhouse/pip.log" 2>&1 ||
    { tail -n 5 "$state/clickhouse/pip.log"; return 1; }
  # The scripts in it name the path that it was made at; the interpreter does not mind.
  mv -T "$engine.tmp" "$engine"
}

start_clickhouse() {
  chdb_environment || return 1
  launch clickhouse "$engine/bin/python" "$here/clickhouse_front.py" --data "$state/clickhouse/data" --port "$1"
  wait_until clickhouse 60 clickhouse_answers "$1"
}

# Starts one service unless it runs.
start() {
  local name=$1 port
  running "$name" && return
  rm -rf "${state:?}/$name"
  mkdir -p "$state/$name"
  port=$(free_port)
  if "start_$name$contained" "$port"; then echo "$port" >"$state/$name/port"; else return 1; fi
}

up() {
  command -v python3 >/dev/null || install_package python3 command -v python3 || return 1
  # Postgres' user has to reach its folder.
  mkdir -p "$state" "$cache" && chmod 0711 "$state"
  contained=
  if docker_answers; then contained=_container; fi
  local name failed=() pids=()
  for name in "${services[@]}"; do
    start "$name" &
    pids+=($!)
  done
  for at in "${!services[@]}"; do
    wait "${pids[$at]}" || failed+=("${services[$at]}")
  done
  status
  [ ${#failed[@]} -eq 0 ] && return
  echo "services not available: ${failed[*]}"
  return 1
}

stop() {
  local pid born signal=TERM
  if [ -e "$state/$1/container" ]; then
    stop_container "$1"
  elif running "$1"; then
    read -r pid born <"$state/$1/pid"
    # Postgres' fast shutdown; its TERM waits for clients to leave.
    [ "$1" = postgres ] && signal=INT
    kill -s "$signal" "$pid"
    for _ in $(seq 100); do
      running "$1" || break
      sleep 0.1
    done
    if running "$1"; then kill -s KILL "$pid"; fi
  fi
  rm -rf "${state:?}/$1"
}

down() {
  local name
  for name in "${services[@]}"; do stop "$name" & done
  wait
  rmdir "$state" 2>/dev/null
  return 0
}

incarnation() {
  if [ -e "$state/$1/container" ]; then echo "container $(cut -c1-12 "$state/$1/container")"
  else echo "process $(cut -d' ' -f1 "$state/$1/pid")"
  fi
}

status() {
  local name
  for name in "${services[@]}"; do
    if running "$name" && [ -s "$state/$name/port" ]; then
      echo "$name: 127.0.0.1:$(cat "$state/$name/port"), $(incarnation "$name")"
    else
      echo "$name: not running"
    fi
  done
}

# export_port SERVICE VARIABLE PREFIX SUFFIX
export_port() {
  if running "$1" && [ -s "$state/$1/port" ]; then
    echo "export $2=$3$(cat "$state/$1/port")${4:-}"
  fi
}

environment() {
  export_port postgres NOVA_TEST_POSTGRES_URL postgres://nova@127.0.0.1: /nova_test
  export_port redis NOVA_TEST_REDIS_URL redis://127.0.0.1:
  export_port kafka NOVA_TEST_KAFKA_URL kafka://127.0.0.1:
  export_port clickhouse NOVA_TEST_CLICKHOUSE_URL clickhouse://127.0.0.1:
  if [ -d "$kafka/libs" ]; then echo "export NOVA_TEST_KAFKA_LIBS=$(printf %q "$kafka/libs")"; fi
}

case "${1:-}" in
up) up ;;
down) down ;;
status) status ;;
env) environment ;;
*)
  echo "usage: services.sh up|down|status|env"
  exit 64
  ;;
esac
