# shellcheck shell=bash
# What comes from the system's package manager: the brokers and, for screenshots, a browser.

rabbitmq_present() {
  [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || have rabbitmq-server ||
    [ -x /opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server ] || [ -x /usr/local/opt/rabbitmq/sbin/rabbitmq-server ]
}

mosquitto_present() {
  [ -x /usr/sbin/mosquitto ] || [ -x /opt/homebrew/opt/mosquitto/sbin/mosquitto ] ||
    [ -x /usr/local/opt/mosquitto/sbin/mosquitto ]
}

browser_present() {
  have chromium || have chromium-browser || have google-chrome ||
    [ -d "/Applications/Chromium.app" ] || [ -d "/Applications/Google Chrome.app" ]
}

apt_update_once() {
  [ -z "${APT_UPDATED-}" ] || return 0
  say "Refreshing the package lists (apt-get update)"
  # A failing third-party source must not stop us: the install below tells whether the lists suffice.
  run_logged apt-update as_root apt-get -o DPkg::Lock::Timeout=120 update || true
  APT_UPDATED=1
}

# While packages are configured, services stay down: a broker of the system would only take ports and memory.
hold_services() {
  SERVICE_POLICY=/usr/sbin/policy-rc.d
  if [ -e "$SERVICE_POLICY" ]; then
    SERVICE_POLICY=""
    return 0
  fi
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$SERVICE_POLICY" >/dev/null
  as_root chmod 755 "$SERVICE_POLICY"
}

release_services() {
  [ -n "${SERVICE_POLICY-}" ] || return 0
  as_root rm -f "$SERVICE_POLICY"
  SERVICE_POLICY=""
}

# apt_install PACKAGE...: 1 if they cannot be installed.
apt_install() {
  have apt-get && as_root true 2>/dev/null || return 1
  apt_update_once
  say "Installing $* (apt-get)"
  trap release_services EXIT
  hold_services
  local result=0
  run_logged "apt-$1" as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "$@" || result=1
  release_services
  trap - EXIT
  return "$result"
}

brew_install() {
  have brew || return 1
  say "Installing $* (brew)"
  run_logged "brew-$1" brew install "$@"
}

# ensure_broker NAME PRESENT APT_PACKAGE BREW_PACKAGE
ensure_broker() {
  "$2" && return 0
  if apt_install "$3" && "$2"; then
    # Tests and demo run private instances: the system's own need not start with the machine.
    if [ -d /run/systemd/system ]; then
      as_root systemctl disable --quiet "$3" || true
    fi
    return 0
  fi
  brew_install "$4" && "$2" && return 0
  warn "$1 is missing and neither apt nor brew could install it: tests that need it will be skipped, the demo cannot run."
}

ensure_brokers() {
  ensure_broker RabbitMQ rabbitmq_present rabbitmq-server rabbitmq
  ensure_broker Mosquitto mosquitto_present mosquitto mosquitto
}

ensure_browser() {
  browser_present && return 0
  apt_install chromium fonts-dejavu-core && browser_present && return 0
  have brew && say "Installing chromium (brew)" && run_logged brew-chromium brew install --cask chromium && return 0
  warn "No Chromium found and neither apt nor brew could install one: screenshots cannot be taken."
}
