#!/bin/sh
# Adds the keys that sign extensions' channels to those that systemd-sysupdate believes, and the
# vendor's, which the file in /etc hides before systemd 262. Keys that are there stay; what was
# added is remembered, and taken out when no extension and no vendor has it any more. It runs at
# every boot, since an update of the system may bring other keys of the vendor's; with `check`, it
# changes nothing and only says whether it could.
set -eu
umask 022
etc=${root-}/etc/systemd/import-pubring
vendor=${root-}/usr/lib/systemd/import-pubring
added=${root-}/etc/systemd/extensions-keys
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# dash and busybox end by a signal without the above
trap 'exit 129' HUP && trap 'exit 130' INT && trap 'exit 143' TERM

hex() { # FILE
  od -An -v -tx1 "$1" | tr -d ' \n'
}

packets() { # FILE: its keys as OpenPGP packets, which alone can be put one after the other
  [ -s "$1" ] || return 0
  case $(head -c 12 "$1" | od -An -v -tx1 | tr -d ' \n') in
    9[89ab]* | c6*) cat "$1" ;;
    ????????????????4b425866) # a keybox, gpg's own format
      gpg --homedir "$work" --batch --quiet --no-autostart --no-default-keyring \
        --keyring "$1" --export 2>"$work/said" || refuse "$1" "it is a keybox, and gpg can't read it"
      ;;
    2d2d2d2d2d*) # armored
      gpg --homedir "$work" --batch --quiet --no-autostart --dearmor <"$1" 2>"$work/said" ||
        refuse "$1" "it is armored, and gpg can't read it"
      ;;
    *) refuse "$1" "it holds no OpenPGP keys" ;;
  esac
}

refuse() { # FILE WHY
  cat "$work/said" >&2 2>/dev/null || true
  cat >&2 <<END
$1 can't be added to: $2
  fix: gpg --no-default-keyring --keyring $1 --export >keys, see that they are all there,
       and install --mode=0644 keys $1
END
  exit 1
}

contains() { # FILE PART
  case $(hex "$1") in
    *"$(hex "$2")"*) ;;
    *) return 1 ;;
  esac
}

cut_out() { # FILE PART
  before=$(hex "$1")
  before=${before%%"$(hex "$2")"*}
  start=$((${#before} / 2))
  head -c "$start" "$1"
  tail -c "+$((start + $(wc -c <"$2") + 1))" "$1"
}

mkdir "$work/now"
for ring in "${root-}"/opt/extensions/*/import-pubring.gpg "$vendor.gpg" "$vendor.pgp"; do
  [ -s "$ring" ] || continue
  packets "$ring" >"$work/ring"
  sum=$(sha256sum <"$work/ring")
  mv "$work/ring" "$work/now/${sum%% *}"
done

# Up to 257 systemd reads .gpg; from 258 on .pgp, or .gpg if there is none.
for target in "$etc.gpg" "$etc.pgp"; do
  [ "$target" = "$etc.gpg" ] || [ -e "$target" ] || continue
  packets "$target" >"$work/all"
  for old in "$added"/*; do
    if [ -e "$old" ] && [ ! -e "$work/now/${old##*/}" ] && contains "$work/all" "$old"; then
      cut_out "$work/all" "$old" >"$work/rest"
      mv "$work/rest" "$work/all"
    fi
  done
  for new in "$work/now"/*; do
    if [ ! -e "$new" ] || contains "$work/all" "$new"; then continue; fi
    cat "$new" "$work/all" >"$work/both" # the newer first: gpg takes the first of two
    mv "$work/both" "$work/all"
    if [ "${1-}" != check ]; then
      mkdir -p "$added"
      cp "$new" "$added/"
    fi
  done
  if [ "${1-}" = check ] || cmp -s "$work/all" "$target"; then continue; fi
  if [ ! -s "$work/all" ]; then
    rm -f "$target"
    continue
  fi
  mkdir -p "${target%/*}"
  cat "$work/all" >"$target.new"
  mv -f "$target.new" "$target"
done
for old in "$added"/*; do
  if [ "${1-}" != check ] && [ ! -e "$work/now/${old##*/}" ]; then rm -f "$old"; fi
done
