# shellcheck shell=sh
# What was laid on this host for an extension stands in /opt/extensions/NAME/installed. A line is:
#   file PATH SHA256     a file with these bytes; for * instead, with any
#   shared PATH SHA256   likewise, but others use it too: it stays
#   link PATH PATTERN    a link whose target matches
#   images PATTERN       the images of the channel that is followed, whichever versions come
#   conflicts PATH       what must not be there
# A thing is ours as long as it is what its line says; nothing else is ever changed or removed.
records=${records-/opt/extensions}
usr=${usr-/usr} top=${top-}

matches() { # TEXT PATTERN
  # shellcheck disable=SC2254 # a pattern
  case $1 in $2) ;; *) return 1 ;; esac
}

is_there() { # PATH
  [ -e "$1" ] || [ -L "$1" ]
}

is_laid() { # KIND PATH PROOF: what is there is what the line says
  case $1 in
    file | shared)
      [ -f "$2" ] && [ ! -L "$2" ] || return 1
      [ "$3" = '*' ] || [ "$(sha256sum <"$2")" = "$3  -" ]
      ;;
    link) [ -L "$2" ] && matches "$(readlink "$2")" "$3" ;;
    images) [ -f "$2" ] && [ ! -L "$2" ] ;;
    *) return 1 ;;
  esac
}

names() { # RECORD PATH: a line is about it
  while read -r named_kind named_path _; do
    case $named_kind in
      images) if matches "$2" "$named_path"; then return; fi ;;
      conflicts) ;;
      *) if [ "$2" = "$named_path" ]; then return; fi ;;
    esac
  done <"$1"
  return 1
}

is_ours() { # PATH: a record names it, and it is what that says
  for record in "$records"/*/installed; do
    [ -f "$record" ] || continue
    while read -r our_kind our_path our_proof; do
      [ "$our_kind" = images ] || [ "$1" = "$our_path" ] || continue
      [ "$our_kind" != images ] || matches "$1" "$our_path" || continue
      if is_laid "$our_kind" "$1" "$our_proof"; then return; fi
    done <"$record"
  done
  return 1
}

is_shared() { # NAME PATH: the record of another extension names it
  for record in "$records"/*/installed; do
    if [ ! -f "$record" ] || [ "$record" = "$records/$1/installed" ]; then continue; fi
    if names "$record" "$2"; then return; fi
  done
  return 1
}

take_away() { # NAME [RECORD]: what was laid for it, but for what RECORD, a new one, names
  [ -f "$records/$1/installed" ] || return 0
  while read -r kind path proof; do
    if [ "$kind" = shared ] || [ "$kind" = conflicts ]; then continue; fi
    for found in $path; do # of images, all that match
      is_there "$found" || continue
      if [ -n "${2-}" ] && names "$2" "$found"; then continue; fi
      if is_shared "$1" "$found"; then continue; fi
      if ! is_laid "$kind" "$found" "$proof"; then
        echo "left $found: it is not what was laid" >&2
        continue
      fi
      case $found in
        /etc/systemd/system/*.timer | /etc/systemd/system/*.service)
          systemctl --quiet stop "${found##*/}" || true
          ;;
      esac
      rm -f "$found"
      [ -n "${2-}" ] || echo "removed $found"
      case $found in
        /etc/sysupdate.*) rmdir "${found%/*}" 2>/dev/null || true ;;
      esac
    done
  done <"$records/$1/installed"
  if [ -z "${2-}" ]; then
    rm -f "$records/$1/installed"
    rmdir "$records/$1" 2>/dev/null || true
  fi
}

units() { # NAME...: what these start
  for name; do
    cat "$usr"/lib/systemd/system/*.d/"10-$name.conf" 2>/dev/null || true
  done | sed -n 's/^Upholds=//p' | tr ' ' '\n' | sort -u
}

applied() { # NAME WHAT: the files of its image that systemd-WHAT applies
  sed -n "s|^ExecStart=/usr/bin/systemd-$2 ||p" "$usr/lib/systemd/system/$1-setup@.service" \
    2>/dev/null | tr ' ' '\n' | while read -r applied; do
    case $applied in
      --*) ;;
      /usr/*) cat "$usr${applied#/usr}" ;;
      *) cat "$usr/lib/$2.d/$applied" ;;
    esac 2>/dev/null || true
  done
}

made() { # NAME: paths that its image makes outside of itself
  applied "$1" tmpfiles | while read -r _ made _; do echo "$made"; done
  for unit in $(units "$1"); do
    sed -n 's|^StateDirectory=|/var/lib/|p; s|^CacheDirectory=|/var/cache/|p
      s|^LogsDirectory=|/var/log/|p; s|^ConfigurationDirectory=|/etc/|p' \
      "$usr/lib/systemd/system/$unit" 2>/dev/null || true
  done | cut -d ' ' -f 1
}

stays() { # NAME: of what its image has made, what is there and stays: data, configuration, accounts
  made "$1" | sort -u | while read -r stays; do
    case $stays in
      /etc/?* | /var/?* | /srv/?* | /home/?*) if is_there "$top$stays"; then echo "$stays"; fi ;;
    esac
  done
  applied "$1" sysusers | while read -r kind account _; do
    case $kind in
      u*) if grep -q "^$account:" "$top/etc/passwd"; then echo "account $account"; fi ;;
    esac
  done
}

say_stays() { # LINES of stays
  [ -z "$1" ] || printf '%s\n' "$1" | sed 's/^/stays, and is yours to remove: /'
}
