# What the checks share: a scratch directory that goes away, an unprivileged user, frng where that user can reach it.
# Sourced by the checks, which are run as root (they need its tools to make what is compared). ENGINE=seccomp or the like in the
# environment names the engine instead of the default.

set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
[ "$(id -u)" = 0 ] || { echo "skipped: needs root as its oracle" >&2; exit 1; }

# A number without an account: nobody else's files can be its. CHECK_USER is another one.
user=${CHECK_USER:-54321}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/frng-check-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch"
mkdir -m 700 "$scratch/work" && chown "$user:$user" "$scratch/work"

# PROFILE=dev builds faster, and runs slower.
profile=${PROFILE:-release}
built=${CARGO_TARGET_DIR:-$top/target}/${profile/#dev/debug}

build() {
  (cd "$top" && cargo build -q --profile "$profile" -p frng-cli)
  mkdir "$scratch/bin"
  cp "$built/frng" "$built/frng-state" "$scratch/bin/"
  [ -z "${ENGINE:-}" ] && return
  # What a check calls frng is then frng with that engine, in what it starts as well.
  mv "$scratch/bin/frng" "$scratch/bin/frng-itself"
  printf '#!/bin/sh\nexec frng-itself --engine %s "$@"\n' "$ENGINE" >"$scratch/bin/frng"
  chmod 755 "$scratch/bin/frng"
}

# Runs a command as the unprivileged user in its directory.
as_user() {
  (cd "$scratch/work" && HOME=$scratch/work setpriv --reuid "$user" --regid "$user" --clear-groups \
    env PATH="$scratch/bin:$PATH" TMPDIR="$scratch/work" timeout "${DEADLINE:-600}" "$@")
}

need() {
  local missing=()
  for command; do command -v "$command" >/dev/null || missing+=("$command"); done
  if ((${#missing[@]})); then echo "needs: ${missing[*]}" >&2; exit 1; fi
}

ok() { echo "ok: $*"; }

same() {
  if ! diff -u "$2" "$3" >"$scratch/difference"; then
    echo "FAILED: $1"
    head -n 40 "$scratch/difference"
    exit 1
  fi
  ok "$1 ($(wc -l <"$2") lines)"
}
