# Sourced by the scripts beside this folder: one line on the terminal for each step, all else in a log file.
#
#   open_log build/setup.log setup
#   step 'Build' cmake --build build || stop 'Building failed.' 'See the first error above.'
#
# Messages go to stderr, so that stdout is left to results. On a terminal a running step shows the time it has
# taken (and ninja's [n/m]); elsewhere each step is one plain line. Colour only on a terminal, and not with NO_COLOR.
# shellcheck shell=bash

log_file=/dev/null
program=eidetic
spinner_pid=
step_log_start=0

interactive=false
if [[ -t 2 && ${TERM:-dumb} != dumb ]]; then interactive=true; fi
bold='' red='' green='' yellow='' reset=''
if $interactive && [[ -z ${NO_COLOR:-} ]]; then
  bold=$'\e[1m' red=$'\e[31m' green=$'\e[32m' yellow=$'\e[33m' reset=$'\e[0m'
fi

say() { printf '%s\n' "$*" >&2; }
warn() { printf '%s%s:%s %s\n' "$yellow" "$program" "$reset" "$*" >&2; }

# stop MESSAGE [REMEDY…]: says what is wrong and what to do about it, and leaves with exit code 1.
stop() {
  printf '%s%s:%s %s\n' "$red" "$program" "$reset" "$1" >&2
  shift
  if (($#)); then printf '  %s\n' "$@" >&2; fi
  exit 1
}

# open_log FILE PROGRAM: later steps write to FILE, which starts anew.
open_log() {
  log_file=$1 program=$2
  if ! { mkdir -p "$(dirname "$log_file")" && : >"$log_file"; } 2>/dev/null; then
    local refused=$log_file
    log_file=/dev/null
    stop "cannot write $refused" 'Is the disk full, or does this folder belong to somebody else? Make it writable for yourself.'
  fi
}

# elapsed SECONDS: 7 s, 2 min 05 s
elapsed() {
  if (($1 < 60)); then printf '%d s' "$1"; else printf '%d min %02d s' "$(($1 / 60))" "$(($1 % 60))"; fi
}

stop_spinner() {
  if [[ -n $spinner_pid ]]; then
    kill "$spinner_pid" 2>/dev/null || true
    wait "$spinner_pid" 2>/dev/null || true
    spinner_pid=
    printf '\r\e[K' >&2
  fi
}

start_spinner() { # NAME
  local name=$1 start=$SECONDS
  (
    trap - EXIT INT
    trap 'exit 0' TERM
    local frames='-+x+' i=0 progress
    while true; do
      progress=$(tail -c 400 "$log_file" 2>/dev/null | grep -aoE '^\[[0-9]+/[0-9]+\]' | tail -n 1 || true)
      printf '\r\e[K%s %s %s(%s)' "${frames:i++%4:1}" "$name" "${progress:+$progress }" "$(elapsed $((SECONDS - start)))" >&2
      sleep 0.5
    done
  ) &
  spinner_pid=$!
}

# step NAME COMMAND…: runs COMMAND with its output in the log; returns COMMAND's exit code.
step() {
  local name=$1 start=$SECONDS status=0
  shift
  printf '\n=== %s: %s\n' "$name" "$*" >>"$log_file"
  step_log_start=$(stat -c %s "$log_file" 2>/dev/null || echo 0)
  if $interactive; then start_spinner "$name"; else printf '%s … ' "$name" >&2; fi
  # In the foreground, so that Ctrl-C reaches it.
  "$@" >>"$log_file" 2>&1 </dev/null || status=$?
  stop_spinner
  local took
  took=$(elapsed $((SECONDS - start)))
  if ((status == 0)); then
    if $interactive; then printf '%s✓%s %s (%s)\n' "$green" "$reset" "$name" "$took" >&2; else printf 'done (%s)\n' "$took" >&2; fi
  else
    if $interactive; then printf '%s✗%s %s: failed (%s)\n' "$red" "$reset" "$name" "$took" >&2; else printf 'failed (%s)\n' "$took" >&2; fi
  fi
  return "$status"
}

# What the last step wrote to the log.
step_output() { tail -c "+$((step_log_start + 1))" "$log_file"; }

# Shows, after a failed step, its first errors, its last lines and where the rest is.
show_log() {
  local errors
  errors=$(step_output | grep -aE '(^|[^[:alnum:]_])(error|Error|ERROR|FAILED):|CMake Error' | head -n 5 || true)
  say ''
  if [[ -n $errors ]]; then
    say "${bold}First errors:${reset}"
    printf '%s\n' "$errors" | cut -c 1-300 | sed 's/^/  /' >&2
  fi
  say "${bold}Last lines of the log:${reset}"
  step_output | tail -n 15 | cut -c 1-300 | sed 's/^/  /' >&2
  say "${bold}All of it:${reset} $log_file"
  say ''
}

# shell_quote WORD: WORD as it can be pasted into a shell.
shell_quote() {
  if [[ $1 =~ ^[A-Za-z0-9_./:@%+=,-]+$ ]]; then printf '%s' "$1"; else printf '%s' "${1@Q}"; fi
}

# shorter PATH: PATH as seen from where the user stands, when it lies below there.
shorter() {
  case $1 in
    "$PWD"/*) printf '%s' "${1#"$PWD"/}" ;;
    *) printf '%s' "$1" ;;
  esac
}

trap 'stop_spinner' EXIT
trap 'stop_spinner; say ""; say "$program: interrupted; running it again goes on where it stopped."; exit 130' INT TERM
