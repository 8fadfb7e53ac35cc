# The files of a stand: certificates, secrets, and what its Redis is told. Sourced by infra/local/up.
# shellcheck shell=bash

# How long certificates are valid, in days, and when they are made anew before their end, in seconds.
readonly certificate_days=365 renewal_seconds=86400

# Free blocks of ports are looked for here: above what tests take for their Redis (and its bus), below what
# Linux gives to connections.
readonly first_port=32001 last_port=32767

make_directories() {
  local name
  for name in certificates secrets logs numbers redis; do mkdir -p "$state/$name"; done
  echo '*' >"$state/.gitignore"
}

# make_ports BASE: sets `base`: what was given, or what it was before, or a free block.
make_ports() {
  local file=$state/ports before='' attempt
  base=$1
  if [ -e "$file" ]; then before=$(cat "$file"); fi
  if [ -n "$base" ] && [ -n "$before" ] && [ "$base" != "$before" ]; then
    fail "--ports: the Redis cluster in $state is on ports from $before on;" \
      "take another --state, or remove that directory"
  fi
  base=${base:-$before}
  if [ -n "$base" ]; then
    require_free_ports
  else
    for ((attempt = 0; attempt < 100; attempt++)); do
      base=$((first_port + RANDOM % (last_port + 2 - first_port - port_count)))
      if busy_port >/dev/null; then continue; fi
      break
    done
    require_free_ports
  fi
  echo "$base" >"$file"
}

# busy_port: prints the first port of the block on which somebody listens; fails if there is none.
busy_port() {
  local offset
  for ((offset = 0; offset < port_count; offset++)); do
    is_port_free $((base + offset)) || { echo $((base + offset)) && return; }
  done
  return 1
}

require_free_ports() {
  local busy
  if busy=$(busy_port); then
    fail "port $busy is in use; the stand needs $base to $((base + port_count - 1)):" \
      "end what listens there, or take another --state or --ports"
  fi
}

# An authority of the stand's own, and by it one certificate for the nodes of Redis and one for the load
# balancer's front, both for localhost and 127.0.0.1.
make_certificates() {
  (
    cd "$state/certificates"
    if [ -e front.pem ] && openssl x509 -checkend "$renewal_seconds" -noout -in ca.pem >/dev/null; then
      exit
    fi
    cat >openssl.cnf <<'CONFIGURATION'
[req]
prompt = no
distinguished_name = subject
x509_extensions = authority
[subject]
CN = Connect local stand
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
CONFIGURATION
    new_key ca
    openssl req -x509 -new -config openssl.cnf -key ca.key -days "$certificate_days" -out ca.pem
    for name in redis balancer; do
      new_key "$name"
      openssl req -new -config openssl.cnf -key "$name.key" -subj "/CN=localhost" -out "$name.csr"
      openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial \
        -days "$certificate_days" -extfile openssl.cnf -extensions server -out "$name.pem" 2>>log
    done
    # HAProxy wants both in one file.
    cat balancer.pem balancer.key >front.pem
  ) || fail "openssl could not make the certificates in $state/certificates"
}

new_key() {
  openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
}

make_secrets() {
  local name
  for name in tokens service-token redis-admin redis-connect redis-inspect; do
    [ -s "$state/secrets/$name" ] || openssl rand -hex 32 >"$state/secrets/$name"
  done
}

secret() {
  cat "$state/secrets/$1"
}

# The rights of a user as the operations guide gives them, in a line to copy.
documented_rights() {
  local guide=$root/Sources/ConnectCommand/Documentation.docc/Operations.md rights
  rights=$(sed -n "s/^ACL SETUSER $1 on >PASSWORD //p" "$guide")
  [ -n "$rights" ] || fail "the rights of the Redis user '$1' are missing in $guide"
  echo "$rights"
}

# What each node is told beside infra/local/redis.conf.
make_redis_files() {
  local node directory connect_rights inspect_rights
  connect_rights=$(documented_rights connect)
  inspect_rights=$(documented_rights inspect)
  cat >"$state/redis/users.acl" <<USERS
user default off
user admin on >$(secret redis-admin) ~* &* +@all
user connect on >$(secret redis-connect) $connect_rights
user inspect on >$(secret redis-inspect) $inspect_rights
USERS
  for ((node = 1; node <= redis_nodes; node++)); do
    directory=$state/redis/$node
    # Of a cluster that was not finished there is nothing to keep.
    [ -e "$state/redis/made" ] || rm -rf "$directory"
    mkdir -p "$directory"
    cat >"$state/redis/$node.conf" <<NODE
include "$root/infra/local/redis.conf"
dir "$directory"
tls-port $(port redis "$node")
cluster-port $(port redis_bus "$node")
aclfile "$state/redis/users.acl"
masteruser admin
masterauth $(secret redis-admin)
tls-ca-cert-file "$state/certificates/ca.pem"
tls-cert-file "$state/certificates/redis.pem"
tls-key-file "$state/certificates/redis.key"
NODE
  done
}

# Settings for whoever looks at the stand with `connect`; only the names of files are in it.
make_settings() {
  cat >"$state/connect.env" <<SETTINGS
# To be sourced: connect inspect, token and chat then find the stand.
export CONNECT_REDIS_URL='$redis_url'
export CONNECT_REDIS_USER=inspect
export CONNECT_REDIS_PASSWORD_FILE='$state/secrets/redis-inspect'
export CONNECT_REDIS_CA_FILE='$state/certificates/ca.pem'
export CONNECT_AUTH_SECRET_FILE='$state/secrets/tokens'
SETTINGS
}
