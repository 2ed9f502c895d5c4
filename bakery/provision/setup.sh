# shellcheck shell=sh
# What the script that sets up extensions does on a running host, after record.sh.
records=${records-/opt/extensions}
extensions=${extensions-/etc/extensions}
work=$(mktemp -d)
scratch=$work
links=$extensions
trap 'clean' EXIT
# dash and busybox end by a signal without the above
trap 'exit 129' HUP && trap 'exit 130' INT && trap 'exit 143' TERM
parts=

clean() {
  for part in $parts; do
    rm -f "$part"
    rmdir "${part%/*}" 2>/dev/null || true
  done
  rm -rf "$work"
}

refuse() { # LINE...
  printf '%s\n' "$@" "nothing was changed" >&2
  exit 1
}

field() { # KEY: of this system
  # shellcheck disable=SC1091 # on the host
  (. /etc/os-release && eval "printf '%s\n' \"\${$1-}\"")
}

has_sysext() {
  command -v systemd-sysext >/dev/null ||
    refuse "this system has no systemd-sysext" "  fix: it comes with systemd 248 and newer"
}

fits() { # NAME ID
  [ "$(field ID)" = "$2" ] ||
    refuse "$1 does not fit: it is made for $2, and this is $(field ID)"
}

can_follow() { # NAME: its channel
  PATH=$PATH:/usr/lib/systemd command -v systemd-sysupdate >/dev/null ||
    refuse "$1 is to follow a channel, and this system has no systemd-sysupdate" \
      "  fix: install it (Debian 13 and newer: apt-get install systemd-container)," \
      "       or name a release instead of the channel: bakery provision $1-VERSION"
}

can_verify() { # NAME: the signature of its channel
  command -v gpg >/dev/null ||
    refuse "$1 follows a signed channel, and this system has no gpg" \
      "  fix: install it (Debian: apt-get install gpg)"
}

has_curl() {
  command -v curl >/dev/null ||
    refuse "these extensions are in a registry, and this system has no curl" "  fix: install it"
}

keep_newer() { # NAME IMAGE PATTERN: of a channel, whatever is newer stays
  now=$(readlink -f "$extensions/$1.raw") || return 0
  now=${3%/*}/${now##*/}
  [ -f "$now" ] && matches "$now" "$3" || return 0
  start=${3%%\**} end=${3#*\*}
  version=${now#"$start"} floor=${2#"$start"}
  if systemd-analyze compare-versions "${version%"$end"}" gt "${floor%"$end"}" >/dev/null; then
    echo "$1 stays at ${version%"$end"}, which is newer"
    echo "$2" >>"$work/older"
  fi
}

is_older() { # PATH: an image that a newer one makes unnecessary
  grep -qxF -e "$1" "$work/older" 2>/dev/null
}

claim() { # NAME, and what is to be laid for it on standard input; what others have is refused
  cat >"$work/$1.plan"
  : >"$work/$1.own"
  for place in "$extensions/$1" "/run/extensions/$1" "/var/lib/extensions/$1" \
    "/run/extensions/$1.raw" "/var/lib/extensions/$1.raw"; do
    if is_there "$place"; then echo "$place" >>"$work/foreign"; fi
  done
  for record in "$records"/*/installed; do
    if [ -f "$record" ] && grep -qxF "conflicts $extensions/$1.raw" "$record"; then
      other=${record%/installed}
      refuse "$1 can't run beside ${other##*/}, which is installed" \
        "  fix: uninstall one of the two"
    fi
  done
  while read -r kind path proof; do
    case $kind in
      conflicts)
        if is_there "$path" || is_there "${path%.raw}"; then
          refuse "$1 can't run beside what is at $path" "  fix: uninstall one of the two"
        fi
        ;;
    esac
    if is_older "$path"; then
      continue
    elif [ "$kind" = images ] || [ "$kind" = conflicts ] || ! is_there "$path" || is_ours "$path"
    then
      echo "$kind $path${proof:+ $proof}" >>"$work/$1.own"
    elif ! is_laid "$kind" "$path" "$proof"; then
      echo "$path" >>"$work/foreign"
    fi
  done <"$work/$1.plan"
}

nothing_foreign() {
  [ ! -e "$work/foreign" ] ||
    refuse "somebody else's files are where these extensions would be laid:" \
      "$(sed 's/^/  /' "$work/foreign")" \
      "  fix: see whose they are, and move them away if nobody needs them there"
}

digest_is() { # PATH SHA256
  [ "$(sha256sum <"$1")" = "$2  -" ]
}

get() { # PATH URL SIZE: no more, and not too slowly
  ulimit -f "$(($3 / 512 + 1))"
  case $2 in
    oci://*)
      sh "$work/registry" pull "$2" "$3" >"$1"
      return
      ;;
  esac
  if command -v curl >/dev/null; then
    curl --fail --silent --show-error --location --retry 3 --speed-limit 2048 --speed-time 60 \
      --output "$1" "$2"
  else
    wget --quiet --timeout=60 --output-document="$1" "$2"
  fi
}

fetch() { # PATH URL SHA256 SIZE: to PATH.part, for place
  if is_older "$1"; then return; fi
  if [ -e "$1" ] && digest_is "$1" "$3"; then return; fi
  mkdir -p "${1%/*}"
  parts="$parts $1.part"
  if ! (get "$1.part" "$2" "$4") || ! digest_is "$1.part" "$3"; then
    refuse "$2 is not the file it should be"
  fi
}

place() { # PATH
  [ ! -e "$1.part" ] || mv -f "$1.part" "$1"
}

certify() { # NAME: with the certificate on standard input, for the rehearsal
  mkdir -p "$work/verity.d"
  cat >"$work/verity.d/$1"
}

insists() { # whether this host takes signed images alone, or is about to
  [ -n "${policy-}" ] || [ -n "$(image_policy)" ] ||
    grep -qs '^ImagePolicy=' /etc/systemd/sysext.conf /etc/systemd/sysext.conf.d/*.conf
}

can_merge() { # [NAME IMAGE]...: these with all that is there, by the policy and certificates to be
  [ -e "$work/verity.d" ] || insists || return 0
  for word; do
    case $word in
      /*) if [ -e "$word.part" ]; then word=$word.part; fi ;;
    esac
    shift
    set -- "$@" "$word"
  done
  if rehearse "$@"; then return; fi
  refuse "systemd-sysext would merge nothing at all with this:" "$(sed 's/^/  /' "$work/said")" \
    "  why: $(uncertified || echo "see above")"
}

can_enforce() {
  systemd-sysext --help | grep -q -e --image-policy ||
    refuse "this system's systemd-sysext enforces nothing" "  fix: it can from systemd 254 on"
}

write() { # PATH [MODE], and the contents on standard input
  mkdir -p "${1%/*}"
  cat >"$1.part"
  chmod "${2-0644}" "$1.part"
  mv -f "$1.part" "$1"
}

link() { # PATH TARGET
  if is_older "$2"; then return; fi
  mkdir -p "${1%/*}"
  ln -sfn "$2" "$1"
}

unlike() { # ID: this is another system
  [ "$(field ID)" != "$1" ]
}

remember() { # NAME: what is about to be its own, beside what has been, and where its link leads
  mkdir -p "$records/$1"
  readlink "$extensions/$1.raw" >"$work/$1.before" || true
  cat "$records/$1/installed" "$work/$1.own" 2>/dev/null | sort -u >"$work/$1.both" || true
  write "$records/$1/installed" <"$work/$1.both"
}

settle() { # NAME: it is laid, and what it no longer has goes
  take_away "$1" "$work/$1.own"
  write "$records/$1/installed" <"$work/$1.own"
}

remerge() { # as often as it is asked for: systemd refuses more than five starts in ten seconds
  systemctl reset-failed systemd-sysext.service 2>/dev/null || true
  systemctl restart systemd-sysext.service && systemctl daemon-reload
}

merge() { # NAME...: or go back to what was merged
  if remerge; then return; fi
  journalctl --no-pager --lines=20 --output=cat --unit=systemd-sysext.service >&2 || true
  for name; do
    if [ -s "$work/$name.before" ]; then
      ln -sfn "$(cat "$work/$name.before")" "$extensions/$name.raw"
    else
      take_away "$name"
    fi
  done
  remerge || true
  echo "systemd-sysext can't merge this; what was merged before is merged again" >&2
  exit 1
}
