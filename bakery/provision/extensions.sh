#!/bin/sh
# Keeps the systemd-sysext extensions of a host up to date, and alive what ran before.
#
# systemd-sysupdate fetches and verifies. An update is a transaction: fetch, rehearse, link, merge,
# restart, watch. What does not hold goes back, and that version is shunned. An extension's state
# file says what is under way, so that the next run, or the next boot, ends what a power cut
# interrupted. What counts is what is merged, as the release files in /usr tell; links only say what
# would be merged next.
set -u
umask 022
export LC_ALL=C NO_COLOR=1 SYSTEMD_COLORS=0 SYSTEMD_PAGER=
PATH=${PATH:-/usr/bin:/bin}:/usr/sbin:/sbin:/usr/lib/systemd:/opt/bin

images=/opt/extensions
links=/etc/extensions
states=/var/lib/extensions.d
scratch=/run/extensions.d
released=/usr/lib/extension-release.d/extension-release
why='' # what was wrong last, for people
booted='' # whether a transaction began before this run

usage() {
  cat <<END
usage: extensions status [--json] [NAME...]
       extensions update [NAME...]             all that follow a channel
       extensions rollback NAME                to the version before, and shun this one
       extensions pin NAME VERSION|MINOR       update to that, or within that series, alone
       extensions unpin NAME
       extensions remove NAME
END
}

say() {
  printf 'extensions: %s\n' "$*"
}

complain() { # as an error in the journal
  printf '%sextensions: %s\n' "${JOURNAL_STREAM:+<3>}" "$*" >&2
}

die() {
  complain "$@"
  exit 1
}

# --- The record

# --- The rehearsal

# --- What is known

get() { # NAME KEY
  sed -n "s/^$2=//p" "$states/$1.state" 2>/dev/null
}

put() { # NAME KEY VALUE: all or nothing, whenever the power goes
  {
    [ ! -e "$states/$1.state" ] || sed "/^$2=/d" "$states/$1.state"
    [ -z "$3" ] || printf '%s=%s\n' "$2" "$3"
  } >"$states/.$1.new" && save "$states/.$1.new" "$states/$1.state"
}

save() { # NEW OLD: NEW takes the place of OLD, on the disk
  sync "$1" && mv -fT "$1" "$2" && sync "${2%/*}"
}

setting() { # KEY NAME: of the extension, or else of the host
  cat "/etc/extensions.d/$2.conf" /etc/extensions.conf 2>/dev/null |
    sed -n "s/^$1=//p" | sed -e 's/^"\(.*\)"$/\1/' -e q
}

field() { # NAME KEY: what the release file of a merged extension says
  sed -n "s/^$2=//p" "$released.$1" 2>/dev/null | tr -d '"'
}

merged() { # NAME: the version that is merged
  [ -e "$released.$1" ] || return
  field "$1" SYSEXT_VERSION_ID | grep . || linked "$1" # images of others may not say it
}

linked() { # NAME: the version that would be merged next
  path=$(readlink "$links/$1.raw") && path=${path##*/"$1"-} && printf '%s\n' "${path%-"$arch".raw}"
}

image() { # NAME VERSION
  printf '%s\n' "$images/$1/$1-$2-$arch.raw"
}

has() { # LIST WORD
  case " $1 " in
    *" $2 "*) ;;
    *) return 1 ;;
  esac
}

all() { # merged|followed|installed|open|staged
  case $1 in
    merged) for path in "$released".*; do echo "${path#"$released".}"; done ;;
    followed)
      grep -ls "^Path=$images/" /etc/sysupdate.*.d/* |
        sed 's,^/etc/sysupdate\.\(.*\)\.d/.*,\1,'
      ;;
    installed) for path in "$images"/*/; do basename "$path"; done ;;
    open) grep -ls '^doing=' "$states"/*.state | sed 's,.*/\(.*\)\.state,\1,' ;;
    staged) grep -ls '^next=' "$states"/*.state | sed 's,.*/\(.*\)\.state,\1,' ;;
  esac | grep -v '^\*$' | sort -u
}

# --- The engine

sysupdate() { # NAME COMMAND...
  component=$1
  shift
  case $(follows "$component") in
    oci://*) bridged "$@" ;;
    *) unbridged "$@" ;;
  esac
}

unbridged() { # COMMAND...: about $component
  systemd-sysupdate --component="$component" --no-pager --no-legend "$@" 2>"$scratch/said"
}

bridged() { # COMMAND...: likewise, by way of extensions-registry, which knows best what failed
  since=$(date +%s.%N)
  systemctl start extensions-registry.socket &&
    (export no_proxy="127.0.0.1,${no_proxy:-${NO_PROXY-}}" && unbridged "$@") && return
  journalctl --sync 2>/dev/null
  journalctl --quiet --output=cat --priority=err --since="@$since" \
    --identifier=extensions-registry 2>/dev/null | grep -F "$(follows "$component")/" |
    sed 's,^[^ ]*/,,' | tail -n 1 >"$scratch/refused"
  [ ! -s "$scratch/refused" ] || mv -f "$scratch/refused" "$scratch/said"
  return 1
}

follows() { # NAME: the address of its channel
  cat "/etc/sysupdate.$1.d/"*.* 2>/dev/null |
    sed -n -e '/^Path=[a-z]*:/!d' -e 's/^Path=//; s/%%/%/g; p; q' | unbridge
}

said() { # what went wrong, in a line
  words | unbridge
}

words() { # of who has said it
  grep -iE 'fail|not |no |error|invalid|expired|denied|mismatch|refus' "$scratch/said" |
    grep -vE 'sd-pull|^gpg: Good|not the newest|older than|Exiting' |
    tail -n 2 | paste -s -d ' ' - | grep . || tail -n 1 "$scratch/said"
}

unbridge() { # on standard input, addresses as people know them
  sed 's,http://127\.0\.0\.1:17716/,oci://,g'
}

series() { # NAME: how all versions begin in a channel for one minor series
  cat "/etc/sysupdate.$1.d/"*.* 2>/dev/null |
    sed -n "s/^MatchPattern=$1-\(.*\)@v-%a\.raw\$/\1/p" | sed q
}

available() { # NAME: its versions, newest first
  sysupdate "$1" list >"$scratch/list" || return
  begin=$(series "$1")
  set -f # the table has stars
  while read -r line; do
    for word in $line; do
      case $word in
        [A-Za-z0-9]*)
          printf '%s\n' "$begin$word"
          break
          ;;
      esac
    done
  done <"$scratch/list"
}

fits() { # VERSION PIN
  case $1 in
    "$2" | "$2"[.+-]*) ;;
    *) [ -z "$2" ] ;;
  esac
}

choose() { # NAME: the version it should have; never an older one, unless that is asked for
  versions=$(available "$1") || return
  put "$1" newest "$(printf '%s\n' "$versions" | sed q)"
  for version in $versions; do
    if fits "$version" "$(get "$1" pin)" && ! has "$(get "$1" shunned)" "$version"; then
      printf '%s\n' "$version"
      return
    fi
  done
}

fetch() { # NAME VERSION
  [ ! -e "$(image "$1" "$2")" ] || return 0
  put "$1" next ''
  # so that systemd-sysupdate, which keeps three, has none to remove
  prune "$1" "$({ merged "$1" || linked "$1"; } | sed q) $(get "$1" before)"
  protect "$1"
  # What an interrupted download has left, systemd 262 takes for an update, and never tries again.
  rm -f "$images/$1/".sysupdate.p* "$images/$1/".#sysupdate*
  sysupdate "$1" update "${2#"$(series "$1")"}" >>"$scratch/said" && [ -e "$(image "$1" "$2")" ]
}

prune() { # NAME VERSIONS: the images that stay
  for path in "$images/$1/$1"-*.raw; do
    its=${path#"$images/$1/$1-"}
    has "$2" "${its%-"$arch".raw}" || rm -f "$path"
  done
}

protect() { # NAME: from whoever else runs systemd-sysupdate; 257 and newer heed it
  its=$(merged "$1") || return 0
  for path in "/etc/sysupdate.$1.d/"*.transfer; do
    folder=/run/sysupdate.$1.d/${path##*/}.d
    mkdir -p "$folder"
    printf '[Transfer]\nProtectVersion=%s\n' "${its#"$(series "$1")"}" >"$folder/merged.conf"
  done
}

# --- Merging

link() { # NAME VERSION
  ln -sfn "$(image "$1" "$2")" "$links/.$1.new" && mv -fT "$links/.$1.new" "$links/$1.raw" &&
    sync "$links"
}

merge() {
  how=restart
  # before systemd 254 it can't be reloaded
  [ "$(systemctl show --property=CanReload --value systemd-sysext.service)" != yes ] ||
    ! systemctl --quiet is-active systemd-sysext.service || how=reload
  systemctl reset-failed systemd-sysext.service 2>/dev/null # who restarts it often is refused
  systemctl "$how" systemd-sysext.service
  outcome=$?
  systemctl daemon-reload
  return $outcome
}

policy() { # NAME: what an update does to what runs
  case $(setting POLICY "$1") in
    reboot) echo reboot ;;
    *) field "$1" BAKERY_RESTART | grep . || echo keep ;;
  esac
}

renew() { # NAME: restart what still runs as before the merge, if the image says so
  verb=restart
  case $(policy "$1") in
    keep) return ;;
    reload) verb=reload-or-restart ;;
  esac
  for unit in $(units "$1"); do
    runs=$(invocation "$unit")
    case $unit in
      *.service) [ -z "$runs" ] || ! knew "$unit $runs" || systemctl "$verb" "$unit" ;;
    esac
  done
}

# --- Health

invocation() { # UNIT: tells a run of it from the next; nothing if it does not run
  systemctl show --property=ActiveState --property=InvocationID -- "$1" | {
    while IFS='=' read -r key value; do
      case $key in
        ActiveState) state=$value ;;
        InvocationID) id=$value ;;
      esac
    done
    case $state in
      active | reloading | refreshing) echo "${id:-active}" ;;
    esac
  }
}

healthy() { # NAME: whether what its image brings to check it says so
  [ ! -e "/usr/lib/$1/health.sh" ] ||
    timeout 60 sh "/usr/lib/$1/health.sh" >"$scratch/said" 2>&1 </dev/null
}

remember() { # what runs before anything changes, and what does not
  # shellcheck disable=SC2046 # several names
  {
    for unit in $(units $(all merged)); do
      printf '%s %s\n' "$unit" "$(invocation "$unit")"
    done
    for name in $(all merged); do
      healthy "$name" || printf 'sick %s\n' "$name"
    done
  } >"$states/.before" && save "$states/.before" "$states/before"
}

knew() { # LINE of what was remembered
  grep -qxF -e "$1" "$states/before" 2>/dev/null
}

running() { # what must run, with its invocation: all but what did not run before, either
  # shellcheck disable=SC2046 # several names
  for unit in $(units $(all merged)); do
    knew "$unit " || printf '%s %s\n' "$unit" "$(invocation "$unit")"
  done
}

ailing() { # what is not well, if anything
  running | while read -r unit id; do
    [ -n "$id" ] || {
      printf '%s is %s' "$unit" "$(systemctl is-active "$unit")"
      return
    }
  done | grep . && return
  for name in $(all merged); do
    knew "sick $name" || healthy "$name" || {
      printf '%s is not healthy: %s\n' "$name" "$(tail -n 1 "$scratch/said")"
      return
    }
  done
}

started_since() { # NAME...: their units that were not there before
  for unit in $(units "$@"); do
    grep -q "^$unit " "$states/before" || [ -z "$(invocation "$unit")" ] || echo "$unit"
  done
}

come_up() { # until all is well; what is not, in the end
  left=$(setting SETTLE '') failed=5
  left=${left:-90}
  while ailing=$(ailing) && [ -n "$ailing" ] && [ "$left" -gt 0 ] && [ $failed -gt 0 ]; do
    left=$((left - 1))
    case $ailing in
      *' is failed') failed=$((failed - 1)) ;;
    esac
    sleep 1
  done
  printf '%s\n' "$ailing"
}

watch() { # SECONDS: what does not stay up, if anything
  runs=$(running) left=$1
  while [ "$left" -gt 0 ]; do
    sleep 1
    left=$((left - 1))
    now=$(running)
    [ "$now" = "$runs" ] || {
      unit=$(printf '%s\n' "$now" | grep -vxF "$runs" | sed -e 's/ .*//' -e q)
      printf '%s did not stay up: %s\n' "$unit" "$(last_words "$unit")"
      return
    }
  done
  ailing
}

last_words() { # UNIT
  journalctl --boot --quiet --output=cat --lines=1 --unit="$1" | tail -n 1
}

clash() { # NAME...: what these lack, or can't be beside
  for name; do
    for other in $(field "$name" BAKERY_REQUIRES); do
      merged "$other" >/dev/null || printf '%s needs %s\n' "$name" "$other"
    done
    for other in $(field "$name" BAKERY_CONFLICTS); do
      ! merged "$other" >/dev/null || printf '%s conflicts with %s\n' "$name" "$other"
    done
  done | sed q
}

# --- Transactions: `doing` is OLD NEW

origin() { # NAME
  get "$1" doing | sed 's/ .*//'
}

target() { # NAME
  get "$1" doing | sed 's/.* //'
}

note() { # NAME TEXT [WHY]
  put "$1" last "$(date -u +%Y-%m-%dT%H:%M:%SZ) $2"
  put "$1" failed "${3-}"
}

shun() { # NAME VERSION WHY
  has "$(get "$1" shunned)" "$2" || put "$1" shunned "$(get "$1" shunned) $2"
  note "$1" "$2 was refused" "$3"
}

begin() { # NAME VERSION
  put "$1" doing "$({ merged "$1" || linked "$1" || echo -; } | sed q) $2"
}

transact() { # [NAME VERSION]...: all or nothing
  pairs=$* names=''
  remember || {
    complain "nothing is changed: the state can't be written to $states"
    return 1
  }
  # shellcheck disable=SC2086 # pairs of words
  set -- $pairs
  while [ $# -gt 0 ]; do
    if ! begin "$1" "$2" || ! link "$1" "$2"; then
      # shellcheck disable=SC2086 # several names
      undo $names "$1"
      complain "nothing is changed: the state can't be written to $states and $links"
      return 1
    fi
    names="$names $1"
    shift 2
  done
  merge
  # shellcheck disable=SC2086 # several names
  finish $names
}

finish() { # NAME...: see whether what is merged now holds, or else go back
  why=''
  for name; do
    [ "$(merged "$name")" = "$(target "$name")" ] ||
      why="systemd-sysext did not merge $name $(target "$name")"
  done
  [ -n "$why" ] || why=$(clash "$@")
  if [ -z "$why" ]; then
    for name; do renew "$name"; done
    why=$(come_up)
  fi
  if [ -z "$why" ]; then
    seconds=$(setting WATCH "$1")
    why=$(watch "${seconds:-30}")
  fi
  if [ -z "$why" ]; then
    commit "$@"
    return
  fi
  if [ $# = 1 ] || [ -n "$booted" ]; then # else they are tried one by one
    for name in $(blamed "$@"); do
      shun "$name" "$(target "$name")" "$why"
      complain "$name $(target "$name") does not hold, and is not taken again: $why;" \
        "back to $(origin "$name")"
    done
  fi
  undo "$@"
  return 1
}

blamed() { # NAME...: whom it is about that something does not hold; all, if it is about nobody
  guilty=''
  for name; do
    ! has "$name $(units "$name" | paste -s -d ' ' -)" "${why%% *}" || guilty="$guilty $name"
  done
  printf '%s\n' "${guilty:-$*}"
}

commit() { # NAME...
  for name; do
    old=$(origin "$name") new=$(target "$name")
    say "$name is $new now, and was $old"
    note "$name" "from $old to $new"
    has "$(get "$name" shunned)" "$old" && old=''
    put "$name" before "$old"
    put "$name" next ''
    put "$name" doing ''
    prune "$name" "$new $old"
    protect "$name"
  done
}

undo() { # NAME...: merge and run again what did before
  changed='' added=$(started_since "$@")
  for name; do
    old=$(origin "$name")
    [ -n "$old" ] || continue # the disk was full before anything changed
    if [ "$old" = - ]; then rm -f "$links/$name.raw"; else link "$name" "$old"; fi
    [ "$(merged "$name" || echo -)" = "$old" ] || changed=1
  done
  [ -z "$changed" ] || merge || complain "systemd-sysext fails: see journalctl -u systemd-sysext"
  # shellcheck disable=SC2086 # several units
  [ -z "$added" ] || systemctl stop $added
  own=$(units "$@" | paste -s -d ' ' -)
  while read -r unit id; do
    if [ -z "$id" ] || [ "$unit" = sick ]; then continue; fi
    runs=$(invocation "$unit")
    if [ -z "$runs" ] || { has "$own" "$unit" && [ "$runs" != "$id" ]; }; then
      systemctl reset-failed "$unit" 2>/dev/null
      systemctl restart "$unit"
    fi
  done <"$states/before"
  ails=$(come_up)
  [ -z "$ails" ] || complain "even so, $ails"
  for name; do
    ! has "$(get "$name" shunned)" "$(target "$name")" || rm -f "$(image "$name" "$(target "$name")")"
    put "$name" doing ''
    protect "$name"
  done
}

resume() { # end what was interrupted
  open=$(all open | paste -s -d ' ' -)
  for name in $(all followed); do protect "$name"; done
  [ -n "$open" ] || return 0
  for name in $open; do
    if [ "$(merged "$name")" != "$(target "$name")" ] ||
      has "$(get "$name" shunned)" "$(target "$name")"; then
      say "the update of $open was interrupted; going back"
      # shellcheck disable=SC2086 # several names
      undo $open
      return
    fi
  done
  say "watching what is new in $open"
  booted=1
  # shellcheck disable=SC2086 # several names
  finish $open
  ended=$? booted=''
  return $ended
}

# --- Commands

need_engine() {
  command -v systemd-sysupdate >/dev/null ||
    die "this system has no systemd-sysupdate, so it can't follow channels (Debian 12 ships none)"
}

update() { # [NAME]...
  need_engine
  status=0 live=''
  resume || status=1
  # shellcheck disable=SC2046 # several names
  [ $# -gt 0 ] || set -- $(all followed)
  for name; do
    stage "$name" || status=1
  done
  # shellcheck disable=SC2086 # pairs of words
  [ -z "$live" ] || attempt $live || status=1
  [ -z "$(all staged)" ] || request_reboot || status=1
  return $status
}

stage() { # NAME: get its update ready: into `live`, or for the next reboot
  has "$(all followed | paste -s -d ' ' -)" "$1" || {
    complain "$1 follows no channel: there is no /etc/sysupdate.$1.d"
    return 1
  }
  version=$(choose "$1") || {
    refuse "$1" "can't look for updates at $(follows "$1")"
    return
  }
  if [ -z "$version" ] || [ "$version" = "$(merged "$1")" ]; then
    put "$1" next ''
    put "$1" failed ''
    say "$1 is up to date${version:+ with $version}"
    return
  fi
  fetch "$1" "$version" || {
    if grep -q 'Component is disabled' "$scratch/said"; then
      say "$1 $version waits, since its component is disabled"
      return 0
    fi
    refuse "$1" "$version can't be had from $(follows "$1")"
    return
  }
  if ! rehearse "$1" "$(image "$1" "$version")"; then
    if reason=$(uncertified); then # which the host's people can change: it is tried again
      echo "$reason" >"$scratch/said"
      refuse "$1" "$version does not merge"
      return
    fi
    reason=$(said)
    case $reason in
      *'No medium found'*) reason="it has no release file extension-release.$1" ;;
    esac
    if rehearse; then
      rm -f "$(image "$1" "$version")"
      shun "$1" "$version" "$reason"
      complain "$1 $version does not merge, and is not taken again: $reason;" \
        "$(merged "$1") stays"
    else
      refuse "$1" "what is in $links can't be merged even now"
    fi
    return 1
  fi
  if [ "$(policy "$1")" = reboot ] && merged "$1" >/dev/null; then
    put "$1" next "$version" && remember && say "$1 $version is merged at the next reboot"
  else
    live="$live $1 $version"
  fi
}

first() { # NAME: on a host that has none yet, before its services start; resume watches it then
  [ ! -L "$links/$1.raw" ] || return 0
  need_engine
  live=''
  # shellcheck disable=SC2086 # a pair of words
  stage "$1" && [ -n "$live" ] && remember && begin $live && link $live && merge
}

refuse() { # NAME WHAT: tell what failed, and change nothing
  complain "$1: $2: $(said); $(merged "$1" || echo nothing) stays"
  note "$1" "$2" "$(said)"
  return 1
}

attempt() { # [NAME VERSION]...: together, or else one by one
  ! transact "$@" || return 0
  [ $# -gt 2 ] || return
  complain "together, they do not hold: $why; trying one by one"
  bad=0
  while [ $# -gt 0 ]; do
    transact "$1" "$2" || bad=1
    shift 2
  done
  return $bad
}

request_reboot() {
  window=$(setting REBOOT_WINDOW '')
  if [ -z "$window" ]; then
    reboot
  elif ! systemctl --quiet is-active extensions-reboot.timer; then
    systemd-run --quiet --unit=extensions-reboot --on-calendar="$window" "$0" reboot
  fi
}

reboot() { # if the lock is given, and nobody inhibits it
  hook=$(setting REBOOT_LOCK '')
  if [ -n "$hook" ] && ! sh -c "$hook" 9>&-; then
    complain "no reboot now, since this failed: $hook"
    return 1
  fi
  systemctl reboot --check-inhibitors=yes || {
    complain "no reboot now, since something inhibits it: see systemd-inhibit --list"
    return 1
  }
}

power_down() { # what waits for a reboot is merged by the next boot
  [ "$(systemctl is-system-running)" = stopping ] || return 0
  for name in $(all staged); do
    begin "$name" "$(get "$name" next)" && put "$name" next '' && link "$name" "$(target "$name")"
  done
}

rollback() { # NAME
  old=$(get "$1" before) now=$(merged "$1") || die "$1 is not merged"
  [ -e "$(image "$1" "$old")" ] || die "there is no version of $1 from before $now"
  shun "$1" "$now" "rolled back by hand"
  transact "$1" "$old"
}

pin() { # NAME VERSION|MINOR
  case $2 in
    *[!A-Za-z0-9._+-]*) die "this is no version: $2" ;;
  esac
  put "$1" pin "$2"
  # who names a version wants it, even if it was refused before
  put "$1" shunned "$(get "$1" shunned | tr ' ' '\n' | grep -vxF "$2" | paste -s -d ' ' -)"
  say "$1 is pinned to $2; extensions update $1 takes it"
}

remove() { # NAME
  for other in $(all merged); do
    ! has "$(field "$other" BAKERY_REQUIRES)" "$1" || die "$other needs $1: remove that first"
  done
  [ -e "$images/$1/installed" ] || die "no record says what belongs to $1: remove it by hand"
  running=$(units "$1")
  left=$(stays "$1")
  case $(readlink "$links/$1.raw") in
    "$images/$1/"*) rm -f "$links/$1.raw" ;;
  esac
  take_away "$1"
  [ ! -e /opt/bin/extensions-keys ] || sh /opt/bin/extensions-keys
  rm -rf "$states/$1.state" "/run/sysupdate.$1.d"
  merge
  # shellcheck disable=SC2086 # several units
  [ -z "$running" ] || systemctl stop $running
  say "$1 is removed"
  say_stays "$left"
}

obstacle() { # NAME: what of this host keeps it from working, and what to do, if anything
  if ! merged "$1" >/dev/null; then
    stackable || printf 'no overlay can be put on /usr, which is %s, by Linux %s: %s; %s\n' \
      "$(stat -f -c %T /usr)" "$(uname -r)" "$why" \
      'as on composefs hosts with 6.12.63 or 6.18.3: boot another kernel, such as 6.18.5'
    return
  fi
  [ "$(cat /sys/fs/selinux/enforce 2>/dev/null)" = 1 ] || return 0
  for path in "$released.$1" $(units "$1" | sed 's,^,/usr/lib/systemd/system/,'); do
    case $(stat -c %C "$path" 2>/dev/null) in
      *:unlabeled_t:*)
        printf 'SELinux is enforced, and its policy knows no label of %s: %s\n' "$path" \
          'use an image with the labels of this policy'
        return
        ;;
    esac
  done
}

stackable() { # whether the kernel puts one more overlay on /usr; only root can try
  [ "$(id -u)" = 0 ] || return 0
  why=$(unshare --mount --propagation private -- sh -c '
    mount -t tmpfs tmpfs /run && mkdir /run/empty &&
      mount -t overlay -o lowerdir=/run/empty:/usr overlay /usr' 2>&1 | sed q)
  [ -z "$why" ]
}

status() { # [--json] [NAME]...
  form=text
  [ "${1-}" != --json ] || {
    form=json
    shift
  }
  # shellcheck disable=SC2046 # several names
  [ $# -gt 0 ] || set -- $(all installed)
  if [ $form = text ]; then
    for name; do
      printf '%s\n' "$name"
      row merged "$(merged "$name")"
      row follows "$(follows "$name")"
      for key in newest pin shunned next last failed; do
        row $key "$(get "$name" $key)"
      done
      row obstacle "$(obstacle "$name")"
    done
    return
  fi
  separator='['
  [ $# -gt 0 ] || printf '['
  for name; do
    printf '%s{"name":%s,"merged":%s,"follows":%s' "$separator" "$(quoted "$name")" \
      "$(quoted "$(merged "$name")")" "$(quoted "$(follows "$name")")"
    for key in newest pin next last failed; do
      printf ',"%s":%s' "$key" "$(quoted "$(get "$name" $key)")"
    done
    printf ',"obstacle":%s' "$(quoted "$(obstacle "$name")")"
    printf ',"shunned":['
    comma=''
    for version in $(get "$name" shunned); do
      printf '%s%s' "$comma" "$(quoted "$version")"
      comma=,
    done
    printf ']}'
    separator=,
  done
  printf ']\n'
}

row() { # KEY TEXT
  [ -z "$2" ] || printf '  %-8s %s\n' "$1" "$2"
}

quoted() { # TEXT as JSON
  [ -n "$1" ] || {
    printf null
    return
  }
  printf '"%s"' "$(printf '%s' "$1" | tr -d '\000-\037' | sed 's/[\\"]/\\&/g')"
}

arch=$(uname -m)
case $arch in # as systemd writes it
  x86_64) arch=x86-64 ;;
  aarch64) arch=arm64 ;;
esac

command=${1-}
[ $# = 0 ] || shift
case $command in
  status | update | rollback | pin | unpin | remove) ;;
  first | resume | reboot | power-down) ;; # for units
  help | --help)
    usage
    exit
    ;;
  *)
    usage >&2
    exit 2
    ;;
esac
case $command:$# in
  rollback:1 | unpin:1 | remove:1 | pin:2) named=1 ;;
  rollback:* | unpin:* | remove:* | pin:*)
    usage >&2
    exit 2
    ;;
  *) named='' ;;
esac
[ -z "$named" ] || all installed | grep -qxF -e "$1" || die "there is no extension $1 in $images"
if [ "$command" != status ]; then
  [ "$(id -u)" = 0 ] || die "only root may do that"
  mkdir -p "$states" "$scratch" "$links" || exit
  exec 9>"$scratch/lock"
  flock 9
fi
case $command in
  unpin) put "$1" pin '' ;;
  power-down) power_down ;;
  *) "$command" "$@" ;;
esac
