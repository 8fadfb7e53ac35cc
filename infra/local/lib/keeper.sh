# The keeper of a stand: one process that starts all others, knows of each how it ended, and ends
# them. Sourced by infra/local/up.
#
# It leads a process group of its own, in which all others are: Ctrl-C in a terminal reaches only
# infra/local/up, and they are stopped in order. Should infra/local/up end without that, however it does
# (SIGKILL included), the other end of `lifeline` closes, and the watchdog kills the group, of which it is
# part: it can reach nobody else.
#
# All that happens comes to the keeper as a line in the pipe `control`:
#
#   stop                      infra/local/up was asked to end
#   ended NAME                a process has
#   start NAME SERVICE PLACE  from infra/local/roll: one more gateway or messaging instance
#   retire NAME               from infra/local/roll: SIGTERM to it
# shellcheck shell=bash

# start SERVICE NAME PLACE COMMAND...: starts a process of the stand.
start() {
  local service=$1 name=$2 place=$3 directory
  directory=$(record "$name")
  shift 3
  mkdir -p "$directory"
  echo "$service" >"$directory/service"
  echo "$place" >"$directory/place"
  (
    "$@" </dev/null >>"$state/logs/$name.log" 2>&1 8>&- &
    echo $! >"$directory/pid.new"
    mv "$directory/pid.new" "$directory/pid"
    # bash itself would say how the process has ended.
    exec 2>/dev/null
    code=0
    wait $! || code=$?
    echo "$code" >"$directory/code.new"
    mv "$directory/code.new" "$directory/code"
    echo "ended $name" >&8
  ) &
  # Whoever is to end it must know it.
  until [ -e "$directory/pid" ] || ! kill -0 $! 2>/dev/null; do sleep "$poll_seconds"; done
}

start_redis() {
  start redis "redis-$1" "$1" redis-server "$state/redis/$1.conf"
}

# start_messaging NAME PLACE
start_messaging() {
  start messaging "$1" "$2" "$connect" messaging --instance-id "$1" "${redis_settings[@]}" \
    --management-listen "127.0.0.1:$(port messaging_management "$2")" \
    --api-listen "127.0.0.1:$(port messaging_api "$2")" \
    --service-token-file "$state/secrets/service-token"
}

# start_gateway NAME PLACE
start_gateway() {
  start gateway "$1" "$2" "$connect" gateway --instance-id "$1" "${redis_settings[@]}" \
    --listen "127.0.0.1:$(port gateway "$2")" \
    --management-listen "127.0.0.1:$(port gateway_management "$2")" \
    --auth-secret-file "$state/secrets/tokens" --drain-seconds "$drain_seconds" --demo
}

start_balancer() {
  local place
  export LB_HTTP LB_HTTPS LB_API LB_STATISTICS LB_ADMIN LB_CERTIFICATE=$state/certificates/front.pem
  LB_HTTP=127.0.0.1:$(port http)
  LB_HTTPS=127.0.0.1:$(port https)
  LB_API=127.0.0.1:$(port api)
  LB_STATISTICS=127.0.0.1:$(port statistics)
  LB_ADMIN=ipv4@127.0.0.1:$(port admin)
  for ((place = 1; place <= places; place++)); do
    export "GATEWAY_$place=127.0.0.1:$(port gateway "$place")"
    export "MESSAGING_$place=127.0.0.1:$(port messaging_api "$place")"
  done
  start balancer balancer-1 1 haproxy -db -f "$root/infra/local/haproxy.cfg" \
    -f "$root/infra/local/haproxy-api.cfg"
}

# await WHAT COMMAND...: waits until a command succeeds. Fails when a process has ended meanwhile, the
# stand is to stop, or it takes too long.
await() {
  local what=$1 deadline=$((SECONDS + start_seconds)) name
  shift
  until "$@"; do
    [ ! -e "$run/stop" ] || return 1
    if name=$(ended_unasked); then
      complain "$name"
      return 1
    fi
    if [ "$SECONDS" -ge "$deadline" ]; then
      say "up: waited $start_seconds s in vain for $what; the logs are in $state/logs"
      return 1
    fi
    sleep "$poll_seconds"
  done
}

# ended_unasked: the name of a process that has ended though nobody asked it to; fails if there is none.
ended_unasked() {
  local directory
  for directory in "$run"/processes/*; do
    [ -e "$directory/code" ] && [ ! -e "$directory/retired" ] && [ ! -e "$directory/trial" ] ||
      continue
    basename "$directory"
    return
  done
  return 1
}

# complain NAME: says how a process ended.
complain() {
  local code
  code=$(cat "$(record "$1")/code")
  if [ "$code" -gt 128 ]; then
    say "up: $1 was ended by signal $((code - 128))."
  else
    say "up: $1 ended with exit code $code."
  fi
  show_log "$1"
}

redis_cli() {
  local node=$1
  shift
  REDISCLI_AUTH=$(secret redis-admin) redis-cli --no-auth-warning --user admin --tls \
    --cacert "$state/certificates/ca.pem" -h 127.0.0.1 -p "$(port redis "$node")" "$@" 2>&1
}

redis_answers() {
  [ "$(redis_cli "$1" PING)" = PONG ]
}

# All slots are served, as this node sees it; and a replica has what its primary has.
is_redis_well() {
  local answers
  answers=$(redis_cli "$1" <<<$'CLUSTER INFO\nINFO replication')
  case "$answers" in *cluster_state:ok*) ;; *) return 1 ;; esac
  case "$answers" in
    *role:master*connected_slaves:1* | *role:slave*master_link_status:up*) ;;
    *) return 1 ;;
  esac
}

start_redis_cluster() {
  local node addresses=()
  for ((node = 1; node <= redis_nodes; node++)); do
    start_redis "$node"
    addresses+=("127.0.0.1:$(port redis "$node")")
  done
  for ((node = 1; node <= redis_nodes; node++)); do
    await "redis-$node" redis_answers "$node" || return
  done
  if [ ! -e "$state/redis/made" ]; then
    redis_cli 1 --cluster create "${addresses[@]}" --cluster-replicas 1 --cluster-yes \
      >"$state/logs/redis-cluster.log" ||
      { say "up: the Redis cluster could not be made:" && show_log redis-cluster && return 1; }
  fi
  for ((node = 1; node <= redis_nodes; node++)); do
    await "redis-$node to see a whole cluster" is_redis_well "$node" || return
  done
  : >"$state/redis/made"
}

# Starts everything, what others need first; succeeds once clients are served.
bring_up() {
  local place service
  start_redis_cluster || return
  for ((place = 1; place <= instances; place++)); do
    start_messaging "$(next_name messaging)" "$place"
    start_gateway "$(next_name gateway)" "$place"
  done
  start_balancer
  for ((place = 1; place <= instances; place++)); do
    for service in messaging gateway; do
      await "$service $place to be ready" is_ready "$(port "${service}_management" "$place")" || return
      await "the load balancer to take $service $place" is_balanced "$service" "$place" || return
    done
  done
}

# Does what lines of the pipe say, until one is a reason to end; fails if it is a bad one.
follow() {
  local word name service place
  while IFS=' ' read -r word name service place <&8; do
    case "$word" in
      stop) return 0 ;;
      ended)
        if [ "$(ended_unasked)" = "$name" ]; then
          complain "$name"
          return 1
        fi
        ;;
      start)
        mkdir -p "$(record "$name")"
        : >"$(record "$name")/trial"
        "start_$service" "$name" "$place"
        ;;
      retire)
        : >"$(record "$name")/retired"
        kill -TERM "$(cat "$(record "$name")/pid")" 2>/dev/null || :
        ;;
    esac
  done
}

# end SERVICE: SIGTERM to all of a service, and SIGKILL to those that do not end of it in time.
end() {
  local name deadline=$((SECONDS + stop_seconds))
  for name in $(processes "$1"); do
    : >"$(record "$name")/retired"
    kill -TERM "$(cat "$(record "$name")/pid")" 2>/dev/null || :
  done
  while [ -n "$(processes "$1")" ] && [ "$SECONDS" -lt "$deadline" ]; do sleep "$poll_seconds"; done
  for name in $(processes "$1"); do
    say "up: $name did not end within $stop_seconds s; it is killed" || :
    kill -KILL "$(cat "$(record "$name")/pid")" 2>/dev/null || :
  done
}

# keep: runs the stand until it is to end. Leaves the exit code for infra/local/up in a file.
keep() {
  local code=0 watchdog service
  set +m
  # shellcheck disable=SC2016
  sh -c 'read -r _ <"$1"; kill -KILL 0' sh "$run/lifeline" 8>&- &
  watchdog=$!
  if bring_up; then
    : >"$run/is-up"
    greet
    follow || code=1
  else
    [ -e "$run/stop" ] || code=1
  fi
  rm -f "$run/is-up"
  # Nobody may be there to read it: a terminal that was closed is a reason to stop.
  say "up: stopping" || :
  # Gateways without a load balancer have no clients whom they would have to let go slowly.
  for service in balancer gateway messaging redis; do end "$service"; done
  {
    kill -KILL "$watchdog" || :
    wait
  } 2>/dev/null
  echo "$code" >"$run/code"
}
