# Shared by infra/run, infra/test and infra/local: their help, what they need, and how they build.
# Sourced, not run. Expects bash with `set -euo pipefail`.
# shellcheck shell=bash disable=SC2034

# The oldest Swift that Package.swift can be read with.
readonly swift_needed_major=6 swift_needed_minor=2

# What is needed of the system, by the names of Debian and Ubuntu, and of Homebrew.
debian_packages=(libhiredis-dev libssl-dev redis-server)
brew_packages=(hiredis openssl@3 redis)

# Messages go to standard error: standard output is that of what is run.
say() {
  printf '%s\n' "$*" >&2
}

fail() {
  say "$(basename "$0"): $*"
  exit 1
}

# Prints the comment block at the head of the script.
print_help() {
  sed -n '2,${ /^#/!q; s/^# \{0,1\}//; p; }' "$0"
}

# stage NAME COMMAND...: runs a command and says how long it took. Keeps its exit code.
stage() {
  local name=$1 begin=$SECONDS code=0
  shift
  say "== $name"
  "$@" || code=$?
  if [ "$code" -eq 0 ]; then
    say "== $name: $((SECONDS - begin)) s"
  else
    say "== $name: failed with exit code $code after $((SECONDS - begin)) s"
  fi
  return "$code"
}

# require_prerequisites INSTALL [PACKAGE...]: ends the script with what is missing, unless INSTALL is
# "yes" and it can be installed here. Further packages have one name everywhere.
require_prerequisites() {
  debian_packages+=("${@:2}")
  brew_packages+=("${@:2}")
  case "$(uname -s)" in
    Darwin) require_brew_packages ;;
    *)
      if command -v dpkg >/dev/null && command -v apt-get >/dev/null; then
        require_debian_packages "$1"
      else
        require_by_hand
      fi
      ;;
  esac
  require_swift
}

require_swift() {
  local needed="$swift_needed_major.$swift_needed_minor" version major minor
  if ! command -v swift >/dev/null; then
    fail "there is no Swift toolchain in PATH; Connect needs $needed or newer:" \
      "see https://www.swift.org/install/"
  fi
  version=$(swift --version 2>/dev/null |
    sed -nE 's/.*Swift version ([0-9]+)\.([0-9]+).*/\1 \2/p' | head -n 1)
  if [ -z "$version" ]; then
    fail "'swift --version' does not say its version; Connect needs $needed or newer:" \
      "see https://www.swift.org/install/"
  fi
  read -r major minor <<<"$version"
  if [ "$major" -lt "$swift_needed_major" ] ||
    { [ "$major" -eq "$swift_needed_major" ] && [ "$minor" -lt "$swift_needed_minor" ]; }; then
    fail "Swift $major.$minor is too old; Connect needs $needed or newer:" \
      "see https://www.swift.org/install/"
  fi
}

# A server is needed as a command, from wherever it comes; a library as a package with its headers.
is_present_on_debian() {
  case "$1" in
    redis-server) command -v redis-server >/dev/null ;;
    # A Python of another origin brings its own.
    python3-venv) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
    # From NodeSource, nvm, or wherever.
    nodejs) command -v node >/dev/null ;;
    node-typescript) command -v tsc >/dev/null ;;
    chromium) command -v "${CONNECT_TEST_BROWSER:-chromium}" >/dev/null ;;
    systemd) command -v systemd-analyze >/dev/null ;;
    # Not in the path of every user.
    haproxy) PATH=$PATH:/usr/sbin command -v haproxy >/dev/null ;;
    *) dpkg -s "$1" 2>/dev/null | grep -q '^Status: install ok installed$' ;;
  esac
}

require_debian_packages() {
  local install=$1 package missing=() prefix=()
  for package in "${debian_packages[@]}"; do
    is_present_on_debian "$package" || missing+=("$package")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0

  if [ "$(id -u)" -ne 0 ]; then prefix=(sudo); fi
  local installation=(
    "${prefix[@]}" apt-get install --yes --no-install-recommends "${missing[@]}")
  local advice="missing: ${missing[*]}. To install: ${installation[*]}"
  [ "$install" = yes ] || fail "$advice"
  if [ "${#prefix[@]}" -gt 0 ] && ! command -v sudo >/dev/null; then
    fail "$advice (as root: there is no sudo here)"
  fi

  say "Installing ${missing[*]} (--no-install refuses to)."
  case " ${missing[*]} " in
    *" redis-server "*) say "The system may start a Redis on port 6379; Connect does not use it." ;;
  esac
  # A fresh image has no lists of packages; a stale list names versions that are gone.
  if ! apt-cache show "${missing[@]}" >/dev/null 2>&1 ||
    ! install_debian_packages "${installation[@]}"; then
    "${prefix[@]}" apt-get update >&2 || fail "'apt-get update' failed; $advice"
    install_debian_packages "${installation[@]}" || fail "the installation failed; $advice"
  fi
}

# Asks no questions. (Through `env`, since sudo keeps few variables.)
install_debian_packages() {
  if [ "$1" = sudo ]; then
    shift
    sudo env DEBIAN_FRONTEND=noninteractive "$@" >&2
  else
    DEBIAN_FRONTEND=noninteractive "$@" >&2
  fi
}

require_brew_packages() {
  local package missing=()
  command -v brew >/dev/null ||
    fail "Homebrew is missing: see https://brew.sh, then: brew install ${brew_packages[*]}"
  for package in "${brew_packages[@]}"; do
    brew list --versions "$package" >/dev/null 2>&1 || missing+=("$package")
  done
  [ "${#missing[@]}" -eq 0 ] ||
    fail "missing: ${missing[*]}. To install: brew install ${missing[*]}"
}

# A system whose packages these scripts do not know: the build says what else is missing.
require_by_hand() {
  command -v redis-server >/dev/null ||
    fail "redis-server was not found in PATH: install it, and the headers of hiredis and OpenSSL"
}

# Fills `build_flags` with what `swift build` and `swift test` need here: Homebrew's libraries are
# outside the compiler's paths on Apple silicon, and its OpenSSL is everywhere.
build_flags=()
find_build_flags() {
  local prefix
  [ "$(uname -s)" = Darwin ] || return 0
  build_flags=()
  for prefix in "$(brew --prefix)" "$(brew --prefix openssl@3)"; do
    build_flags+=(-Xcc "-I$prefix/include" -Xlinker "-L$prefix/lib")
  done
}
