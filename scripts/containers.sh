# shellcheck shell=bash
# shellcheck disable=SC2154 # services.sh sets the variables
# Sourced by services.sh: the same servers as containers, of the images that docker-compose.yml pins. A container is
# stopped by the id that `docker run` gave.

docker_answers() {
  [ "${NOVA_SERVICES_DOCKER:-}" != no ] && command -v docker >/dev/null && timeout 10 docker info >/dev/null 2>&1
}

image() {
  awk -v service="  $1:" '$0 == service { found = 1 } found && $1 == "image:" { print $2; exit }' \
    "$here/../docker-compose.yml"
}

# contain NAME ARGUMENTS…
contain() {
  local name=$1
  shift
  # Fetched first: how long that takes is no concern of the deadlines below.
  timeout 900 docker pull --quiet "$(image "$name")" >"$state/$name/log" 2>&1 &&
    docker run --detach --rm --label nova-services "$@" >"$state/$name/container" 2>>"$state/$name/log" && return
  rm -f "$state/$name/container"
  echo "$name could not be started in a container:"
  tail -n 5 "$state/$name/log"
  return 1
}

container_running() {
  [ "$(docker inspect --format '{{.State.Running}}' "$(cat "$state/$1/container")" 2>/dev/null)" = true ]
}

stop_container() {
  docker stop --time 10 "$(cat "$state/$1/container")" >/dev/null 2>&1
}

start_postgres_container() {
  contain postgres --publish "127.0.0.1:$1:5432" --env POSTGRES_USER=nova --env POSTGRES_DB=nova_test \
    --env POSTGRES_HOST_AUTH_METHOD=trust "$(image postgres)" -c wal_level=logical -c max_connections=300 || return 1
  # Over TCP: while the image sets itself up, only its socket answers.
  wait_until postgres 60 docker exec "$(cat "$state/postgres/container")" \
    psql -h 127.0.0.1 -U nova -d nova_test -qc "select 1"
}

start_redis_container() {
  contain redis --publish "127.0.0.1:$1:6379" "$(image redis)" redis-server --save '' --appendonly no || return 1
  wait_until redis 30 redis_answers "$1"
}

start_kafka_container() {
  # Tests that start and kill a broker of their own need java and the jars here as well.
  install_package default-jdk-headless command -v java || return 1
  kafka_jars || return 1
  contain kafka --publish "127.0.0.1:$1:$1" --env KAFKA_NODE_ID=1 --env KAFKA_PROCESS_ROLES=broker,controller \
    --env KAFKA_CONTROLLER_QUORUM_VOTERS=1@127.0.0.1:9093 --env KAFKA_CONTROLLER_LISTENER_NAMES=CONTROLLER \
    --env KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT \
    --env "KAFKA_LISTENERS=PLAINTEXT://:$1,CONTROLLER://127.0.0.1:9093" \
    --env "KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://127.0.0.1:$1" --env KAFKA_AUTO_CREATE_TOPICS_ENABLE=false \
    --env KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=1 --env KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS=4 \
    --env KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR=1 --env KAFKA_TRANSACTION_STATE_LOG_MIN_ISR=1 \
    --env KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS=0 "$(image kafka)" || return 1
  wait_until kafka 90 kafka_answers "$1"
}

start_clickhouse_container() {
  contain clickhouse --publish "127.0.0.1:$1:8123" --ulimit nofile=262144:262144 \
    --env CLICKHOUSE_SKIP_USER_SETUP=1 "$(image clickhouse)" || return 1
  wait_until clickhouse 90 clickhouse_answers "$1"
}
