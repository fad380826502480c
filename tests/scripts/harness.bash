# Sourced by the tests of the scripts. Each test function (test_*) runs in a shell of its own, in a copy of the scripts
# whose path has spaces in it, with a stub project in place of Eidetic and stand-ins for whatever reaches outside:
# apt-get, dpkg-query, npm, sudo. No test needs a network or root, or changes anything outside its temporary folder.
# shellcheck shell=bash disable=SC2181

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
out='' err='' code=''

# stand_in NAME <<script: a command that is found before the real one. It may append to $CALLS.
stand_in() {
  { printf '#!/bin/bash\n'; cat; } >"$STAND_INS/$1"
  chmod +x "$STAND_INS/$1"
}

prepare() {
  tree="$1/a clone"
  export HOME="$1/home" STAND_INS="$1/bin" CALLS="$1/calls"
  unset EIDETIC_LIBRARY EIDETIC_ONNXRUNTIME_ROOT EIDETIC_DUCKDB_ROOT XDG_DATA_HOME CXX CI CMAKE_GENERATOR CTEST_PARALLEL_LEVEL
  mkdir -p "$tree" "$HOME" "$STAND_INS"
  : >"$CALLS"
  PATH="$STAND_INS:$PATH"
  mkdir "$tree/third_party"
  cp -r "$repository/scripts" "$repository/.ci" "$tree/"
  cp -r "$repository/third_party/onnxruntime" "$repository/third_party/duckdb" "$repository/third_party/fetch_library.bash" \
    "$tree/third_party/"
  cp -r "$repository/tests/scripts/stub_project/." "$tree/"

  # All packages are installed, but for those named in $MISSING.
  stand_in dpkg-query <<'EOF'
if [[ $1 == --listfiles ]]; then printf '%s\n' "${DEMO_PICTURES:-/nowhere/copyright}"; exit; fi
for name in "${@:3}"; do [[ " $MISSING " == *" $name "* ]] || echo "$name installed"; done
EOF
  stand_in apt-get <<'EOF'
echo "apt-get $*" >>"$CALLS"
printf '%s\n' "${APT_SAYS:-}"
[[ -z ${APT_SAYS:-} ]]
EOF
  stand_in npm <<'EOF'
echo "npm $*" >>"$CALLS"
echo 'npm error code ENOTFOUND' >&2
exit 1
EOF
  # A folder of the shape of an official release.
  export EIDETIC_ONNXRUNTIME_ROOT="$1/an onnxruntime"
  mkdir -p "$EIDETIC_ONNXRUNTIME_ROOT/include" "$EIDETIC_ONNXRUNTIME_ROOT/lib"
  touch "$EIDETIC_ONNXRUNTIME_ROOT/include/onnxruntime_cxx_api.h" "$EIDETIC_ONNXRUNTIME_ROOT/lib/libonnxruntime.so"
  export EIDETIC_DUCKDB_ROOT="$1/a duckdb"
  mkdir -p "$EIDETIC_DUCKDB_ROOT/lib"
  touch "$EIDETIC_DUCKDB_ROOT/lib/libduckdb.so"
  cd "$tree" || exit 1
}

# run COMMAND…: sets $code, $out (stdout) and $err (stderr).
run() {
  code=0
  "$@" >"$tree/.out" 2>"$tree/.err" </dev/null || code=$?
  out=$(<"$tree/.out") err=$(<"$tree/.err")
}

fail() {
  printf '%s\n' "  line ${BASH_LINENO[1]}: $1" '  --- stdout' "$out" '  --- stderr' "$err" >&2
  exit 1
}
exits_with() { [[ $code == "$1" ]] || fail "exit code $code, expected $1"; }
out_has() { [[ $out == *"$1"* ]] || fail "stdout lacks: $1"; }
err_has() { [[ $err == *"$1"* ]] || fail "stderr lacks: $1"; }
err_lacks() { [[ $err != *"$1"* ]] || fail "stderr has: $1"; }
called() { grep -qF -- "$1" "$CALLS" || fail "not called: $1 (called: $(<"$CALLS"))"; }
not_called() { ! grep -qF -- "$1" "$CALLS" || fail "called: $1"; }
exists() { [[ -e $1 ]] || fail "is missing: $1"; }
lacks() { [[ ! -e $1 ]] || fail "is there: $1"; }

run_tests() {
  local name failed=0 count=0
  for name in $(compgen -A function test_); do
    count=$((count + 1))
    # Not inside 'if', where a failing command would not end the test.
    (set -euo pipefail; prepare "$scratch/$name"; "$name")
    if (($? == 0)); then
      echo "ok      $name"
    else
      echo "FAILED  $name"
      failed=$((failed + 1))
    fi
  done
  echo "$count tests, $failed failed"
  ((failed == 0 && count > 0))
}
