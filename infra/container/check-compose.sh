# The part of infra/container/check that runs the stand of compose.yaml. Sourced, not run.
#
# Docker compose talks to podman's own implementation of the engine's interface. Where no systemd runs,
# nothing carries out podman's health checks, which compose waits for: so that is done here.
# shellcheck shell=bash disable=SC2154

readonly stand=localhost/connect-check/stand:bookworm project=connect-check-$$
readonly stand_seconds=300

# beat: carries out the health checks of the stand's containers, again and again.
beat() {
  local container
  while sleep 1; do
    for container in $(podman ps --quiet --filter "label=com.docker.compose.project=$project"); do
      podman healthcheck run "$container" >/dev/null 2>&1 || true
    done
  done
}

# Runs docker compose with podman as its engine. Podman gives a container with any limit of its own another
# limit of processes than its default, which needs a right that root in a sandbox may lack: so it is said.
engine_compose() {
  if [ ! -e "$work/limits.yaml" ]; then
    cat >"$work/limits.yaml" <<'YAML'
services:
  gateway-1: { ulimits: { nproc: 4096 } }
  gateway-2: { ulimits: { nproc: 4096 } }
  balancer: { ulimits: { nproc: 4096 } }
YAML
  fi
  DOCKER_HOST=unix://$work/podman.sock timeout "$stand_seconds" \
    "$tools/${compose//==/-}/bin/docker-compose" --progress quiet --file "$here/compose.yaml" \
    --file "$work/limits.yaml" --project-name "$project" "$@"
}

stand_chat() {
  podman run --rm --interactive --network "${project}_apps" --env CONNECT_TOKEN="$1" "$image" chat \
    --url ws://balancer:8080 --lines "${@:2}"
}

# check_stand_chat: alice writes to bob through HAProxy, as somebody else's program would, with tokens.
check_stand_chat() {
  local alice bob listener
  alice=$(engine_compose exec -T gateway-1 connect token alice)
  bob=$(engine_compose exec -T gateway-1 connect token bob)
  stand_chat "$bob" --as bob --to alice --listen --count "$messages" >"$work/received" &
  listener=$!
  seq "$messages" | stand_chat "$alice" --as alice --to bob || fail "alice could not send"
  wait "$listener" || fail "bob did not receive"
  seq "$messages" | cmp - "$work/received" || fail "what was received is not what was sent"
}

# check_stand_commands: the same with the commands that Deploying.md gives, which take the secret of tokens from
# the container of a gateway.
check_stand_commands() {
  local chat=(engine_compose exec -T gateway-2 connect chat --url ws://balancer:8080 --lines) listener
  "${chat[@]}" --as bob --to alice --listen --count "$messages" >"$work/received" &
  listener=$!
  seq "$messages" | "${chat[@]}" --as alice --to bob || fail "alice could not send from inside"
  wait "$listener" || fail "bob did not receive inside"
  seq "$messages" | cmp - "$work/received" || fail "what was received inside is not what was sent"
}

end_stand() {
  engine_compose down --volumes --timeout "$stop_seconds" >/dev/null 2>&1 || true
}

check_stand() {
  local arguments=() service
  if [ "$debootstrap" = yes ]; then arguments+=(--build-arg "RUNTIME_IMAGE=$base" --pull-never); fi
  bud "${arguments[@]}" --tag "$stand" "$here/stand"

  export CONNECT_IMAGE=$image STAND_IMAGE=$stand
  STAND_HTTP=$(free_port) STAND_HTTPS=$(free_port) STAND_STATISTICS=$(free_port)
  STAND_API=$(free_port)
  export STAND_HTTP STAND_HTTPS STAND_API STAND_STATISTICS

  podman system service --time 0 "unix://$work/podman.sock" >"$work/podman.log" 2>&1 &
  echo $! >"$work/podman.pid"
  until_true test -S "$work/podman.sock"
  if [ ! -d /run/systemd/system ]; then
    beat &
    echo $! >"$work/beat.pid"
  fi
  at_end+=(end_stand)
  engine_compose up --detach --no-build --wait || {
    engine_compose logs --tail 20 >&2 || true
    fail "the stand did not start"
  }
  check_stand_chat
  say "$messages messages went through the stand"
  check_stand_commands
  say "and as many between two terminals of the stand's own"
  # TLS for apps, with the stand's own authority.
  engine_compose exec -T balancer cat /credentials/balancer/ca.pem >"$work/ca.pem"
  python3 - "$STAND_HTTPS" "$work/ca.pem" <<'PY' || fail "HAProxy's TLS does not verify"
import http.client, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
connection = http.client.HTTPSConnection("localhost", int(sys.argv[1]), context=context, timeout=5)
connection.request("GET", "/healthz")
sys.exit(connection.getresponse().status != 200)
PY
  # The API for backends, behind HAProxy. As a backend would, again where it says 503.
  engine_compose exec -T messaging-1 cat /credentials/messaging/service-token >"$work/token"
  python3 - "$STAND_API" "$work/token" <<'PY' || fail "the API for backends does not take a message"
import http.client, json, sys, time
with open(sys.argv[2], encoding="ascii") as file:
    headers = {"Authorization": f"Bearer {file.read().strip()}", "Content-Type": "application/json"}
message = json.dumps({"from": "alice", "to": "carol", "id": "one", "body": "hello"})
for _ in range(5):
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=5)
    connection.request("POST", "/v1/messages", message, headers)
    answer = connection.getresponse()
    print("API:", answer.status, answer.read(1000).decode().strip(), file=sys.stderr)
    if answer.status == 202:
        sys.exit()
    time.sleep(1)
sys.exit(1)
PY
  # A second start finds the secrets and the cluster there, and a restarted gateway takes its place again.
  # Podman, if it is not told how long to wait, does not.
  engine_compose restart --timeout "$stop_seconds" gateway-1
  engine_compose up --detach --no-build --wait || fail "the stand did not start again"
  check_stand_chat
  say "and again after a restart of a gateway and another start"
  for service in balancer gateway-1 messaging-1 redis-1; do
    say "$service: $(podman stats --no-stream --format '{{.MemUsage}}' "$project-$service-1")"
  done
}
