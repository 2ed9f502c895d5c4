# shellcheck shell=sh
# Whether a merge would work, tried where nobody sees it.

image_policy() { # the option by which systemd-sysext.service insists on one, if it does
  systemctl show --property=ExecStart --value systemd-sysext.service |
    sed -n 's/.* \(--image-policy=[^ ;]*\).*/\1/p'
}

rehearse() { # [NAME IMAGE]...: whether systemd merges these, with all the others
  # shellcheck disable=SC2016 # the shell inside expands it
  unshare --mount --propagation private -- sh -euc '
    folder=$1 root=$1/root links=$2 policy=$3
    shift 3
    rm -rf "$folder/links"
    mkdir -p "$folder/links" "$root" "$links"
    if [ -e "$folder/verity.d" ]; then # certificates that the host is about to get
      cp -n /etc/verity.d/*.crt "$folder/verity.d/" 2>/dev/null || true
      mkdir -p /etc/verity.d
      mount --bind "$folder/verity.d" /etc/verity.d
    fi
    mount --rbind / "$root"
    show() { # NAME PATH: what a link leads to, since links are not followed below another root
      [ -e "$2" ] && [ ! -e "$folder/links/$1" ] || return 0
      if [ -d "$2" ]; then mkdir "$folder/links/$1"; else : >"$folder/links/$1"; fi
      mount --bind "$2" "$folder/links/$1"
    }
    while [ $# -gt 0 ]; do
      show "$1.raw" "$2"
      shift 2
    done
    for path in "$links"/*; do
      show "${path##*/}" "$path"
    done
    mount --rbind "$folder/links" "$root$links"
    ! systemd-sysext --help | grep -q -e --no-reload || set -- --no-reload
    exec systemd-sysext --root="$root" ${policy:+"$policy"} "$@" refresh
  ' sh "$scratch" "$links" "${policy-$(image_policy)}" "$@" >"$scratch/said" 2>&1 || return
  while [ $# -gt 0 ]; do
    if ! grep -qE "^Using extensions .*'$1(\.raw)?'" "$scratch/said"; then
      echo "it has no release file that fits this host" >"$scratch/said"
      return 1
    fi
    shift 2
  done
}

uncertified() { # why what could not be merged is not believed, if that is why
  if grep -q 'does not match image policy' "$scratch/said"; then
    echo "it is not signed, and this host merges signed images alone"
  elif grep -q 'Required key not available' "$scratch/said"; then
    echo "no certificate in /etc/verity.d fits its signature"
  else
    return 1
  fi
}
