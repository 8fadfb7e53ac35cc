# What infra/local/up and infra/local/roll both know of a stand: where it keeps what, its ports, and
# how its processes are asked. Sourced, not run; expects infra/lib/prerequisites.sh and `root`.
# Written for bash 3.2, which macOS has.
# shellcheck shell=bash disable=SC2034

# Where a stand is if --state does not say otherwise. Ignored by git.
readonly default_state=$root/.build-local

# Debian has haproxy there, where not every user looks.
PATH=$PATH:/usr/sbin

# Gateways, and messaging instances. HAProxy has twice as many places for each, since a rolling restart
# starts a new one beside the old.
readonly instances=2 places=4
# Nodes of the Redis cluster, half of them replicas.
readonly redis_nodes=6

# How long a process may take to be ready, in seconds: a debug build on a busy machine, and a cluster
# that has its data to load.
readonly start_seconds=60
# How long one may take to end after SIGTERM, in seconds; a gateway has its drain time on top.
readonly stop_seconds=15
# How long the load balancer may take to notice, in seconds.
readonly notice_seconds=30
# How often something is looked at that is waited for, in seconds.
readonly poll_seconds=0.05
# Lines of a log that are shown when its process has ended unasked.
readonly shown_lines=15

# A stand's ports are a block, from its base on: offsets.
readonly port_count=33
readonly http_port=0 https_port=1 statistics_port=2 admin_port=3
readonly gateway_port=4 gateway_management_port=8 messaging_management_port=12
readonly messaging_api_port=16 redis_port=20 redis_bus_port=26 api_port=32

# use_state DIRECTORY: sets `state` to its absolute path, and `run`, which is there while the stand is up.
use_state() {
  case "$1" in
    '' | *[\"\\]* | *$'\n'*) fail "--state: '$1' cannot be a directory of a stand" ;;
    /*) state=$1 ;;
    *) state=$PWD/$1 ;;
  esac
  state=${state%/}
  run=$state/run
}

# port NAME [PLACE]: the port of an offset above, for the first or another place.
port() {
  local offset=$1_port
  echo $((base + ${!offset} + ${2-1} - 1))
}

# management_url SERVICE PLACE: where its /healthz, /readyz and /metrics are.
management_url() {
  echo "http://localhost:$(port "$1_management" "$2")"
}

# is_running SCRIPT FILE: whether the process of which a file has the identifier runs a script of this
# name. Another may have the identifier by now.
is_running() {
  local pid
  pid=$(cat "$2" 2>/dev/null) && [ -n "$pid" ] &&
    ps -p "$pid" -o command= 2>/dev/null | grep -qE "(^|[ /])$1( |\$)"
}

# is_up: whether the process that holds the stand is there.
is_up() {
  is_running up "$run/pid"
}

# is_port_free PORT: whether nobody listens there.
is_port_free() {
  ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# http_status PORT PATH: prints the status of a GET request, nothing if there is no answer within 5 s.
http_status() {
  (
    exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 0
    printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$2" >&3
    IFS=' ' read -r -t 5 _ status _ <&3 || exit 0
    printf '%s' "$status"
  ) 2>/dev/null || :
}

# is_ready PORT: whether the management port says so.
is_ready() {
  [ "$(http_status "$1" /readyz)" = 200 ]
}

# balancer COMMANDS: sends commands to HAProxy's admin socket, and prints its answer.
balancer() {
  (
    exec 3<>"/dev/tcp/127.0.0.1/$(port admin)" || exit 1
    printf '%s\n' "$1" >&3
    cat <&3
  ) 2>/dev/null
}

# balance COMMANDS: has HAProxy do something, of which it says nothing unless it fails.
balance() {
  local answer
  answer=$(balancer "$1") || fail "the load balancer does not answer"
  [ -z "$answer" ] || fail "the load balancer, asked for '$1', said: $answer"
}

# backend SERVICE: its name in HAProxy.
backend() {
  case "$1" in
    gateway) echo gateways ;;
    messaging) echo messaging ;;
  esac
}

# balanced SERVICE PLACE COLUMN: what HAProxy's statistics say of a place.
balanced() {
  balancer "show stat $(backend "$1") 4 -1" | awk -F, -v name="$1-$2" -v column="$3" '
    /^# / { sub(/^# /, ""); for (i = 1; i <= NF; i++) if ($i == column) wanted = i; next }
    $2 == name { print $wanted }'
}

# is_balanced SERVICE PLACE: whether clients are sent to a place.
is_balanced() {
  [ "$(balanced "$1" "$2" status)" = UP ]
}

# Of a process of the stand, by its name: where what is known of it is kept.
#
#   service   what it is: redis, messaging, gateway, balancer
#   place     its place, from 1: of it follow its ports
#   pid       its process, once it is started
#   trial     it is new, and whoever started it looks after it: it may end
#   retired   it was asked to end
#   code      its exit code, once it has ended
record() {
  echo "$run/processes/$1"
}

# processes [SERVICE]: the names of those that run, in the order of their numbers.
processes() {
  local directory
  for directory in "$run"/processes/*; do
    [ -e "$directory/pid" ] && [ ! -e "$directory/code" ] || continue
    [ $# -eq 0 ] || [ "$(cat "$directory/service")" = "$1" ] || continue
    basename "$directory"
  done | sort -t - -k 2 -n
}

# free_place SERVICE: the first place at which none of that service runs.
free_place() {
  local place name taken=' '
  for name in $(processes "$1"); do taken="$taken$(cat "$(record "$name")/place") "; done
  for ((place = 1; place <= places; place++)); do
    case "$taken" in *" $place "*) ;; *) echo "$place" && return ;; esac
  done
  return 1
}

# next_name SERVICE: a name that no process of this state has had: two gateways must never share one.
next_name() {
  local file=$state/numbers/$1 number=1
  [ ! -e "$file" ] || number=$(($(cat "$file") + 1))
  echo "$number" >"$file"
  echo "$1-$number"
}

# show_log NAME: the last lines of a process's log, on standard error.
show_log() {
  say "The last lines of $state/logs/$1.log:"
  tail -n "$shown_lines" "$state/logs/$1.log" 2>/dev/null | sed 's/^/  | /' >&2
}

# now: seconds since 1970, with their fraction where bash knows it.
now() {
  echo "${EPOCHREALTIME:-$(date +%s)}"
}

# since TIME: the seconds since then, for people.
since() {
  awk -v from="${1/,/.}" -v to="$(now | tr , .)" 'BEGIN { printf "%.1f s", to - from }'
}
