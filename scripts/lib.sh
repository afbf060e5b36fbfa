# Shared by the scripts of this folder; sourced, not run.
# shellcheck shell=bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/millrace
venv=$cache/venv
jobs=$(nproc)

# Puts a usable Go first in PATH: 1.21 or later, for such a one fetches by itself the version a go.mod asks for.
use_go() {
  local folder minor
  for folder in "$(dirname "$(command -v go || echo /nowhere/go)")" /usr/local/go/bin \
    $(printf '%s\n' /usr/lib/go-1.*/bin | sort -Vr); do
    minor=$("$folder/go" version 2>/dev/null | grep -oP 'go1\.\K[0-9]+' || true)
    if ((${minor:-0} >= 21)); then
      PATH=$folder:$PATH
      return
    fi
  done
  return 1
}
export GOTOOLCHAIN=auto # some distributions say "local", which forbids that
use_go || true
PATH=$PATH:/usr/sbin:/sbin # runc lives there, and a user's PATH may lack it

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
  bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' yellow=$'\e[33m' plain=$'\e[0m'
else
  bold='' dim='' red='' green='' yellow='' plain=''
fi

headline() { printf '\n%s==> %s%s\n' "$bold" "$*" "$plain"; }
note() { printf '    %s\n' "$*"; }
warn() { printf '%swarning: %s%s\n' "$yellow" "$*" "$plain" >&2; }
die() {
  printf '%serror: %s%s\n' "$red" "$*" "$plain" >&2
  exit 1
}

# build PRESET [TARGET...]: configure once, then build; quiet unless it fails.
build() {
  local preset=$1
  shift
  (cd "$root" && cmake --preset "$preset" --log-level=WARNING >/dev/null &&
    cmake --build --preset "$preset" -j "$jobs" ${1:+--target "$@"} -- --quiet)
}
