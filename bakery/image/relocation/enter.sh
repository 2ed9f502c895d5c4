# Runs a program of the root named above: enter PROGRAM [ARGUMENT]…
# The root takes the place of the host's, in a mount namespace that ends with the program.
set -eu

if [ "$1" = --inside ]; then
  shift
  for folder in $shared; do
    if [ -d "/$folder" ]; then mount --rbind "/$folder" "$root/$folder"; fi
  done
  here=$PWD
  if [ ! -d "$root$here" ]; then here=/; fi
  exec unshare --root="$root" --wd="$here" "$@"
fi

if [ "$(id -u)" = 0 ]; then
  exec unshare --mount --propagation=slave -- "$0" --inside -- "$@"
fi

# Other users need a user namespace; some hosts leave these to bubblewrap alone.
if command -v bwrap >/dev/null; then
  set -- -- "$@"
  for folder in $shared; do
    set -- --dev-bind-try "/$folder" "/$folder" "$@"
  done
  exec bwrap --ro-bind "$root" / "$@"
fi
if ! unshare --user true 2>/dev/null; then
  echo "$1 needs a user namespace, which this host lets nobody but root have." >&2
  echo "Run it as root, install bubblewrap, or see user.max_user_namespaces in sysctl(8)." >&2
  exit 126
fi
exec unshare --user --map-root-user --mount --propagation=slave -- "$0" --inside \
  --user --map-user="$(id -u)" --map-group="$(id -g)" -- "$@"
