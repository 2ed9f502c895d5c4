#!/bin/sh
# Adds the keys that sign extensions' channels to those that systemd-sysupdate believes, and the
# vendor's, which the file in /etc hides before systemd 262. Keys that are there stay. It runs at
# every boot, since an update of the system may bring other keys of the vendor's; with `check`, it
# changes nothing and only says whether it could.
set -eu
umask 022
etc=${root-}/etc/systemd/import-pubring
vendor=${root-}/usr/lib/systemd/import-pubring
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

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

with() { # TARGET: its keys, and before them those that it lacks
  packets "$1" >"$work/all"
  for ring in "${root-}"/opt/extensions/*/import-pubring.gpg "$vendor.gpg" "$vendor.pgp"; do
    [ -e "$ring" ] || continue
    packets "$ring" >"$work/ring"
    case $(hex "$work/all") in
      *"$(hex "$work/ring")"*) continue ;;
    esac
    cat "$work/ring" "$work/all" >"$work/both"
    mv "$work/both" "$work/all"
  done
}

# Up to 257 systemd reads .gpg; from 258 on .pgp, or .gpg if there is none.
for target in "$etc.gpg" "$etc.pgp"; do
  [ "$target" = "$etc.gpg" ] || [ -e "$target" ] || continue
  with "$target"
  if [ "${1-}" = check ] || cmp -s "$work/all" "$target"; then continue; fi
  mkdir -p "${target%/*}"
  cat "$work/all" >"$target.new"
  mv -f "$target.new" "$target"
done
