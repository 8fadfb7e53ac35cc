# Shared by what checks with tools of Python's: each set of them in a virtual environment of its own.
# Sourced, not run, after prerequisites.sh. Expects bash with `set -euo pipefail`.
# shellcheck shell=bash

# python_tools NAME REQUIREMENTS: makes sure that .build-tools/NAME has what the file REQUIREMENTS
# says, and sets `python_bin` to where its programs are. Installs when the file has changed.
python_bin=
python_tools() {
  local place=${root:?}/.build-tools/$1 requirements=$2
  command -v python3 >/dev/null || fail "python3 was not found in PATH; install 3.11 or newer"
  python_bin=$place/bin
  if cmp -s "$requirements" "$place/installed.txt"; then return 0; fi
  say "Installing $(basename "$(dirname "$requirements")")'s Python tools into .build-tools/$1."
  rm -rf "$place"
  python3 -m venv "$place" ||
    fail "python3 has no venv: on Debian and Ubuntu, apt-get install python3-venv"
  "$python_bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" >&2
  cp "$requirements" "$place/installed.txt"
}
