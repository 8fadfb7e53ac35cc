# The part of infra/container/check that starts the units of infra/systemd for real: systemd runs in a
# container with the program of the image, and a Redis beside it. Sourced, not run.
# shellcheck shell=bash disable=SC2154

readonly machine=$run-machine

# in_machine COMMAND...: runs a shell command beside systemd.
in_machine() {
  podman exec "$machine" /bin/bash -euo pipefail -c "$*"
}

# property UNIT NAME
property() {
  in_machine "systemctl show --property $2 --value $1"
}

is_property() {
  [ "$(property "$1" "$2")" = "$3" ]
}

# in_journal UNIT TEXT
in_journal() {
  in_machine "journalctl --quiet --no-pager --unit $1" >"$work/journal"
  grep --quiet "$2" "$work/journal"
}

# A container without a network still has its own loopback, so the ports are the usual ones.
start_machine() {
  bud --pull-never --tag "$machine_image" --file - "$root/infra/systemd" <<FILE
FROM $image
USER 0:0
RUN apt-get update --quiet && DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet \
  --no-install-recommends dbus redis-server systemd systemd-sysv \
  && systemctl mask systemd-logind systemd-udevd getty.target console-getty && systemctl disable redis-server
COPY *.service /etc/systemd/system/
COPY connect.env /etc/connect/
ENTRYPOINT []
# Credentials reach a unit through mounts that only a shared root passes on: systemd makes it so on a
# machine, not in a container.
CMD ["/bin/sh", "-c", "mount --make-rshared / && exec /sbin/init"]
FILE
  podman run --detach --name "$machine" --privileged --systemd always --network none \
    "$machine_image" >/dev/null
  until_true in_machine systemctl is-system-running
  in_machine '
    umask 077
    head -c 32 /dev/urandom | base64 >/etc/connect/auth-secret
    head -c 16 /dev/urandom | base64 >/etc/connect/redis-password
    # The example, but for where Redis is.
    sed -i "s|^CONNECT_REDIS_URL=.*|CONNECT_REDIS_URL=redis://127.0.0.1|; /^CONNECT_REDIS_USER=/d" \
      /etc/connect/connect.env
    printf "bind 127.0.0.1\nrequirepass %s\n" "$(cat /etc/connect/redis-password)" >/run/redis.conf
    systemd-run --quiet --unit redis redis-server /run/redis.conf
    systemctl start connect-gateway@1 connect-messaging@1 connect-messaging@2'
}

check_machine() {
  local unit port code
  start_machine
  for port in 9090 9091 9092; do
    until_true in_machine "connect health http://127.0.0.1:$port/readyz"
  done
  for unit in connect-gateway@1 connect-messaging@1; do
    # The numbers are those of the container's machine.
    say "$unit: $(in_machine "grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):' \
      /proc/$(property "$unit" MainPID)/status" | xargs)"
  done

  in_machine '
    export CONNECT_AUTH_SECRET_FILE=/etc/connect/auth-secret
    connect chat --as bob --to alice --lines --listen --count 50 >/run/received &
    seq 50 | connect chat --as alice --to bob --lines
    wait
    seq 50 | cmp - /run/received' || fail "messages did not arrive"
  say "50 messages went from alice to bob, in order"

  # The journal has the backtrace of a crash. What is killed is started again.
  in_machine 'systemctl kill --signal SEGV connect-messaging@2'
  until_true in_journal connect-messaging@2 'Backtrace took'
  in_journal connect-messaging@2 ' in connect' ||
    fail "the backtrace in the journal has no names of functions"
  in_machine 'systemctl kill --signal KILL connect-messaging@2'
  until_true is_property connect-messaging@2 NRestarts 1

  # Where no restart helps there is none: a wrong setting (64), a wrong password (77).
  in_machine 'echo CONNECT_PARTITIONS=many >>/etc/connect/messaging-2.env
    systemctl restart connect-messaging@2 || true'
  until_true is_property connect-messaging@2 ActiveState failed
  is_property connect-messaging@2 ExecMainStatus 64 || fail "a wrong setting has no exit code 64"
  in_machine 'echo wrong >/etc/connect/redis-password; systemctl restart connect-messaging@1 || true'
  until_true is_property connect-messaging@1 ActiveState failed
  is_property connect-messaging@1 ExecMainStatus 77 || fail "a wrong password has no exit code 77"
  sleep 3
  for unit in connect-messaging@1 connect-messaging@2; do
    is_property "$unit" ActiveState failed || fail "$unit was started again"
  done

  in_machine 'systemctl stop connect-gateway@1'
  code=$(property connect-gateway@1 ExecMainStatus)
  if [ "$code" -ne 0 ] || ! is_property connect-gateway@1 Result success; then
    fail "the gateway ended with $code"
  fi
  say "restarted after KILL, not after 64 and 77; SIGTERM ends with 0"
}
