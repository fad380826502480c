#!/bin/bash
# Notes its arguments; prints what a search would.
printf 'eidetic%s\n' "$(printf ' <%s>' "$@")" >>"$CALLS"
case $1 in
  index) exit "${STUB_INDEX_EXIT:-0}" ;;
  search) printf '1  0.31  /photos/one.jpg\n'; exit "${STUB_SEARCH_EXIT:-0}" ;;
esac
