# shellcheck shell=bash
# Sourced by other scripts: installs Debian packages where something is missing.

# Runs a command as root, through sudo where it asks for no password, or not at all.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo -n "$@"
  else return 1
  fi
}

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$1"
}

# install_package PACKAGE TEST…: installs the package unless TEST succeeds; fails when it does not afterwards either.
install_package() {
  local package=$1
  shift
  "$@" >/dev/null 2>&1 && return
  echo "installing the Debian package $package"
  if ! command -v apt-get >/dev/null || ! {
    apt_install "$package" >/dev/null 2>&1 || { as_root apt-get update >/dev/null 2>&1 && apt_install "$package" >/dev/null; }
  } || ! "$@" >/dev/null 2>&1; then
    echo "could not install it here. Do it once yourself: sudo apt-get install $package"
    return 1
  fi
}
