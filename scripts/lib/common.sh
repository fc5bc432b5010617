# shellcheck shell=bash
# Shared by the scripts: where things are, how to speak, how to run a long step.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)"
TOOLS="$ROOT/.tools"

say() { printf '==> %s\n' "$*"; }
warn() { printf '==> Note: %s\n' "$*" >&2; }
die() {
  printf '==> Error: %s\n' "$*" >&2
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# run_logged NAME COMMAND...: keep the output in .tools/log/NAME.log, show its end when the command fails.
run_logged() {
  local log="$TOOLS/log/$1.log"
  shift
  mkdir -p "$TOOLS/log"
  # A daemon that a step leaves behind must not keep the lock of scripts/setup (9).
  if "$@" >"$log" 2>&1 </dev/null 9>&-; then
    return 0
  fi
  printf -- '--- failed: %s\n' "$*" >&2
  tail -n 25 "$log" >&2
  printf -- '--- whole output: %s\n' "$log" >&2
  return 1
}

# with_time_limit SECONDS COMMAND...: macOS has no timeout(1); there the command runs without a limit.
with_time_limit() {
  local seconds="$1"
  shift
  if have timeout; then
    timeout "$seconds" "$@"
  else
    "$@"
  fi
}

# One checksum over the contents of files.
checksum() {
  if have sha256sum; then
    cat "$@" | sha256sum | cut -d' ' -f1
  else
    cat "$@" | shasum -a 256 | cut -d' ' -f1
  fi
}

# as_root COMMAND...: directly, or through sudo. Only asks for a password where somebody can type one.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif have sudo && [ -t 0 ] && [ -z "${CI-}" ]; then
    sudo "$@"
  elif have sudo; then
    sudo -n "$@"
  else
    return 1
  fi
}
