# Shared by what is written in Python, and by what checks with tools of Python's: each set of them in a
# virtual environment of its own. Sourced, not run, after prerequisites.sh. Expects bash with `set -euo pipefail`.
# shellcheck shell=bash

# python_tools NAME REQUIREMENTS: makes sure that .build-tools/NAME has what the file REQUIREMENTS
# says, and sets `python_bin` to where its programs are. Installs again when the file or the Python has
# changed.
python_bin=
python_tools() {
  local place=${root:?}/.build-tools/$1 requirements=$2 stamp log
  log=$place.log
  stamp=$(python3 -c 'import sys; print(sys.version)' 2>/dev/null | cat - "$requirements" | cksum) ||
    fail "there is no python3 in PATH; install 3.11 or newer"
  python_bin=$place/bin
  if [ "$(cat "$place/stamp" 2>/dev/null)" = "$stamp" ]; then return 0; fi
  mkdir -p "$root/.build-tools"
  rm -rf "$place"
  say "Installing $(basename "$(dirname "$requirements")")'s Python tools into .build-tools/$1 (a minute or two)."
  python3 -m venv "$place" >"$log" 2>&1 ||
    fail "'python3 -m venv' failed, see $log; on Debian and Ubuntu: apt-get install python3-venv"
  "$python_bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" \
    >>"$log" 2>&1 || fail "pip could not install $requirements, see $log"
  printf '%s\n' "$stamp" >"$place/stamp"
}

# python_main DIRECTORY MODULE [ARGUMENT...]: becomes the function `main` of a module, whose package is in
# the directory. By -c, and not by -m, which would first look for the package where the user is.
python_main() {
  command -v python3 >/dev/null || fail "there is no python3 in PATH; install 3.9 or newer"
  PYTHONDONTWRITEBYTECODE=1 exec python3 -c 'import sys
if sys.version_info < (3, 9):
    sys.exit("python3 is too old: 3.9 or newer is needed")
sys.path[0] = sys.argv[1]
from importlib import import_module
sys.exit(import_module(sys.argv[2]).main(*sys.argv[3:]))' "$@"
}
