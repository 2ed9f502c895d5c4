#!/bin/sh
# Fetches files of registries (OCI distribution specification 1.1) for this host; it needs curl.
#
# Without words, it is one connection of extensions-registry.socket: systemd-sysupdate, which speaks
# HTTP alone, asks for /HOST/REPOSITORY/TAG/FILE and gets the layer with the title FILE of the
# manifest TAG. What a registry says is believed as much as what a web server says: nothing, until
# systemd-sysupdate has verified signature and digests.
#
# With words, it fetches an image whose digest is known, by
#   extensions-registry pull oci://HOST/REPOSITORY@sha256:DIGEST SIZE >FILE
#   extensions-registry install NAME FILE oci://HOST/REPOSITORY@sha256:DIGEST SIZE
# of which the latter merges it, on a host that does not have the extension NAME yet.
set -u
umask 022
export LC_ALL=C
here=http://127.0.0.1:17716
logins=${CREDENTIALS_DIRECTORY:-/etc/extensions.d}/registries.json # as docker's config.json
grant=''                                                           # the header Authorization
work=$(mktemp -d) || exit
trap 'rm -rf "$work"' EXIT
# dash and busybox end by a signal without the above
trap 'exit 129' HUP && trap 'exit 130' INT && trap 'exit 143' TERM

json() { # a line for each text and number of a document: the keys that lead there, and it
  # shellcheck disable=SC2016 # awk's
  timeout 20 awk '
    function leaf(text) {
      gsub(/[\t\n\r]/, " ", text)
      line = ""
      for (i = 1; i <= depth; i++) line = line key[i] "\t"
      print line text
    }
    function outside(text,   at, end, sign) {
      end = length(text)
      for (at = 1; at <= end; at++) {
        sign = substr(text, at, 1)
        if (sign ~ /[0-9a-zA-Z.+-]/) { if (length(word) < 40) word = word sign; continue }
        if (word != "") { leaf(word); word = "" }
        if (sign ~ /[[{]/) {
          if (++depth > 20) exit 1
          list[depth] = sign == "["
          key[depth] = 0
          names = !list[depth]
        } else if (sign ~ /[]}]/) {
          depth--
        } else if (sign == ",") {
          names = !list[depth]
          if (list[depth]) key[depth]++
        } else if (sign == ":") {
          names = 0
        }
      }
    }
    BEGIN { RS = "\"" } # so that every other record is inside of a text
    !inside { outside($0); inside = 1; next }
    {
      goes_on = match($0, /\\+$/) && RLENGTH % 2
      if (length(text) < 4096) text = text $0 (goes_on ? "\"" : "")
      if (goes_on) next
      gsub(/\\\//, "/", text)
      if (names) key[depth] = text; else leaf(text)
      text = ""
      inside = 0
    }'
}

value() { # KEY...: the first text at these keys of the document on standard input
  json | awk -F '\t' -v keys="$(printf '%s\t' "$@")" '
    substr($0, 1, length(keys)) == keys && NF == split(keys, all) { print $NF; exit }'
}

layer() { # TITLE: digest and size of that layer of the manifest on standard input
  json | awk -F '\t' -v title="$1" '
    $1 != "layers" { next }
    NF == 4 && $3 == "digest" { digest[$2] = $4 }
    NF == 4 && $3 == "size" { size[$2] = $4 }
    NF == 5 && $3 "/" $4 == "annotations/org.opencontainers.image.title" && $5 "" == title "" {
      if (found == "") found = $2
    }
    END { if (found != "") print digest[found], size[found] }'
}

is_local() { # HOST[:PORT]
  case ${1%:*} in
    localhost) ;;
    *[!0-9.]*) return 1 ;;
    127.*) ;;
    *) return 1 ;;
  esac
}

enter() { # HOST/REPOSITORY: whom all requests go to
  host=${1%%/*} repository=${1#*/}
  if is_local "$host"; then scheme=http protocols=http,https; else scheme=https protocols=https; fi
  case $host in
    docker.io) api=https://registry-1.docker.io/v2/$repository ;;
    *) api=$scheme://$host/v2/$repository ;;
  esac
}

request() { # PROTOCOLS OPTION... URL: what grants it goes to that host alone, and is no argument
  allowed=$1
  shift
  { [ -z "$grant" ] || printf 'header = "Authorization: %s"\n' "$grant"; } |
    curl --globoff --config - --silent --show-error --location --max-redirs 5 --proto "=$allowed" \
      --proto-redir =https --connect-timeout 20 --speed-limit 2048 --speed-time 30 "$@"
}

document() { # PROTOCOLS OPTION... URL: into $work/document; its status, or 000, to standard output
  (
    ulimit -f 8192
    request "$@" --max-filesize 4194304 --max-time 40 --retry 2 --retry-max-time 20 \
      --dump-header "$work/headers" --output "$work/document" --write-out '%{http_code}' \
      >"$work/status" 2>"$work/said"
  ) && cat "$work/status" || echo 000
}

said() { # what curl says, or else that there was too much
  sed -n 's/^curl: ([0-9]*) //p' "$work/said" | tail -n 1 | grep . || echo "it has no end"
}

parameter() { # NAME: of the challenge
  printf '%s\n' "$challenge" | sed -n "s/.*[ ,]$1=\"\([^\"]*\)\".*/\1/p"
}

known() { # the login for the repository, of those on standard input: the nearest
  json | awk -F '\t' -v whom="$host/$repository/" '
    $1 != "auths" || NF != 4 || $3 != "auth" { next }
    {
      name = $2
      sub(/^https?:\/\//, "", name)
      sub(/\/*$/, "/", name)
      sub(/^index\.docker\.io\/v1\/$/, "docker.io/", name)
      if (index(whom, name) == 1 && length(name) > length(best)) { best = name; auth = $4 }
    }
    END { print auth }'
}

login() { # be granted what the registry has just refused, by its token server or by name
  challenge=$(tr -d '\r' <"$work/headers" |
    sed -n 's/^[Ww][Ww][Ww]-[Aa][Uu][Tt][Hh][Ee][Nn][Tt][Ii][Cc][Aa][Tt][Ee]: *//p' | tail -n 1)
  own=$(known 2>/dev/null <"$logins")
  case $own in *[!A-Za-z0-9+/=]*) own='' ;; esac
  case $challenge in
    [Bb]asic*) grant=${own:+Basic $own} ;;
    [Bb]earer*)
      realm=$(parameter realm) server=${realm#*://}
      server=${server%%[/?]*}
      case $realm in
        https://*) protocol=https ;;
        http://*) is_local "$host" && is_local "$server" && protocol=http ;;
        *) false ;;
      esac || refuse "502 Bad Gateway" "its token server has no https address"
      grant=${own:+Basic $own}
      status=$(document "$protocol" --get --data-urlencode "service=$(parameter service)" \
        --data-urlencode "scope=repository:$repository:pull" "$realm")
      case $status in
        200) ;;
        000) refuse "502 Bad Gateway" "its token server $server: $(said)" ;;
        *) refuse "502 Bad Gateway" "its token server $server answers $status; $(hint)" ;;
      esac
      token=$(value token <"$work/document")
      [ -n "$token" ] || token=$(value access_token <"$work/document")
      case $token in
        '' | *[!A-Za-z0-9._~+/=-]*) refuse "502 Bad Gateway" "its token server gives no token" ;;
      esac
      grant="Bearer $token"
      ;;
  esac
}

hint() { # what to do about a refusal
  if [ -n "$own" ]; then
    echo "see what is in /etc/extensions.d/registries.json for $host"
  else
    echo "is it private? Then /etc/extensions.d/registries.json has to have a login for $host"
  fi
}

manifest() { # TAG: into $work/document
  own='' type=application/vnd.oci.image.manifest.v1+json
  look() { status=$(document "$protocols" --header "Accept: $type" "$api/manifests/$1"); }
  look "$1"
  if [ "$status" = 401 ]; then
    login
    look "$1"
  fi
  case $status in
    200) [ "$(wc -c <"$work/document")" -le 4194304 ] || refuse "502 Bad Gateway" "it has no end" ;;
    401 | 403) refuse "502 Bad Gateway" "the registry answers $status; $(hint)" ;;
    404) refuse "404 Not Found" "the registry has no such channel: $1" ;;
    000) refuse "502 Bad Gateway" "$(said)" ;;
    *) refuse "502 Bad Gateway" "the registry answers $status" ;;
  esac
}

take() { # SIZE: on standard input; older curl does not end what tells no size
  (ulimit -f "$(($1 / 512 + 1))" && exec dd bs=65536 2>"$work/count")
}

blob() { # DIGEST SIZE: to standard output; fails if nobody takes it
  sent=0 left=5
  while [ "$sent" -lt "$2" ] && [ $left -gt 0 ]; do # where a connection breaks, it goes on
    [ $left = 5 ] || sleep 1
    left=$((left - 1))
    request "$protocols" --fail --continue-at "$sent" --max-filesize "$2" --dump-header "$work/headers" \
      "$api/blobs/$1" 2>"$work/said" | take "$2" || return
    sent=$((sent + $(sed -n 's/^\([0-9][0-9]*\) byte.*/\1/p' "$work/count")))
    # tokens are good for minutes only
    ! grep -q '^HTTP/[0-9.]* 401' "$work/headers" || login
  done
}

# --- A connection

complain() { # LEVEL TEXT
  printf '%s%s: %s\n' "${JOURNAL_STREAM:+<$1>}" "$asked" "$2" >&2
}

refuse() { # STATUS WHY
  complain 3 "$2"
  [ -z "$answers" ] || answer "$1" 0
  [ -n "$answers" ]
  exit
}

answer() { # STATUS LENGTH
  printf 'HTTP/1.1 %s\r\nContent-Length: %s\r\nConnection: close\r\n\r\n' "$1" "$2"
}

is_roots() { # whether root has opened this connection: others are not for systemd-sysupdate
  awk -v from="$(printf ':%04X' "$REMOTE_PORT")" -v to="$(printf ':%04X' "${here##*:}")" '
    index($2, from) && index($3, to) && $4 == "01" && $8 == 0 { found = 1 }
    END { exit !found }' /proc/net/tcp
}

serve() {
  is_roots || exit 0
  read -r method path _ || exit 0
  end=$(printf '\r')
  while read -r line && [ -n "${line%"$end"}" ]; do :; done
  path=$(printf '%s' "$path" | sed 's/%2[Bb]/+/g')
  channel=${path%/*} file=${path##*/}
  case $method$path in
    *[!A-Za-z0-9/._+:-]* | *..* | *//* | */) refuse "400 Bad Request" "this is no address" ;;
    GET/*/*/*/?*) ;;
    *) refuse "400 Bad Request" "this is no address" ;;
  esac
  asked=oci:/$path
  grep -qsxF "Path=$here$channel" /etc/sysupdate.*.d/* ||
    refuse "403 Forbidden" "no extension of this host follows this channel"
  enter "$(dirname "${channel#/}")"
  manifest "$(basename "$channel" | tr + _)"
  found=$(layer "$file" <"$work/document")
  digest=${found% *} size=${found#* }
  case $digest:$size in
    :)
      complain 7 "the channel has no such file"
      answer "404 Not Found" 0
      exit
      ;;
  esac
  if ! is_digest "$digest" || ! is_size "$size"; then
    refuse "502 Bad Gateway" "its manifest makes no sense"
  fi
  answer "200 OK" "$size"
  answers=''
  blob "$digest" "$size" || exit 0
  [ "$sent" -ge "$size" ] || refuse - "$(said)"
}

is_digest() { # TEXT
  printf '%s\n' "$1" | grep -qx 'sha256:[0-9a-f]\{64\}'
}

is_size() { # TEXT: up to a terabyte
  printf '%s\n' "$1" | grep -qx '[0-9]\{1,12\}'
}

# --- An image

pull() { # oci://HOST/REPOSITORY@DIGEST SIZE: to standard output
  asked=$1 address=${1#oci://} own=''
  enter "${address%@*}"
  blob "${address##*@}" "$2" ||
    refuse - "$(sed -n 's/^dd: //p' "$work/count" | grep . || echo "it has no end")"
  [ "$sent" -ge "$2" ] || refuse - "$(said)"
}

install() { # NAME FILE oci://HOST/REPOSITORY@sha256:DIGEST SIZE
  asked=$3 part=$2.part
  mkdir -p "${2%/*}" /etc/extensions
  trap 'rm -rf "$work" "$part"' EXIT
  pull "$3" "$4" >"$part"
  [ "$(sha256sum <"$part")" = "${3##*sha256:}  -" ] || refuse - "what it gives is another file"
  mkdir -p /run/extensions.d
  exec 9>/run/extensions.d/lock
  flock 9
  systemctl reset-failed systemd-sysext.service 2>/dev/null # who restarts it often is refused
  sync "$part" && mv -f "$part" "$2" && ln -sfn "$2" "/etc/extensions/$1.raw" &&
    systemctl restart systemd-sysext.service && systemctl daemon-reload
}

asked='a request' answers=''
case ${1-} in
  '')
    answers=yes
    serve
    ;;
  pull | install) "$@" ;;
  *)
    sed -n 's/^#  *extensions-registry/extensions-registry/p' "$0" >&2
    exit 2
    ;;
esac
