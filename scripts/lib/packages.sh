# shellcheck shell=bash
# What comes from the system's package manager: the brokers and, for screenshots, a browser.
# Kafka is in no such package; it comes from Maven's repository into .tools.

KAFKA_VERSION=4.3.1
# The logging that this version of Kafka was built for; without it the broker says nothing.
SLF4J_VERSION=1.7.36

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

# Kafka 4 needs Java 17.
java_accepted() {
  local version
  have java || return 1
  version="$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')"
  [ "${version:-0}" -ge 17 ]
}

kafka_tools_present() { java_accepted && have mvn; }

write_kafka_pom() {
  cat >"$1/pom.xml" <<POM
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>ev_streams</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>$KAFKA_VERSION</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>$SLF4J_VERSION</version>
    </dependency>
  </dependencies>
</project>
POM
}

# Its libraries go to .tools/kafka/libs, which are all that a broker needs besides Java.
ensure_kafka() {
  local directory="$TOOLS/kafka" stamp="$KAFKA_VERSION $SLF4J_VERSION"
  if [ "$(cat "$directory/.stamp" 2>/dev/null)" = "$stamp" ] && java_accepted; then
    return 0
  fi
  if kafka_tools_present || { apt_install maven default-jre-headless && kafka_tools_present; }; then
    rm -rf "$directory"
    mkdir -p "$directory"
    write_kafka_pom "$directory"
    say "Getting Kafka $KAFKA_VERSION into .tools/kafka (Maven)"
    if run_logged kafka with_time_limit 300 mvn --batch-mode --file "$directory/pom.xml" \
      dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$directory/libs"; then
      printf '%s' "$stamp" >"$directory/.stamp"
      return 0
    fi
  fi
  warn "Kafka is missing and Java 17 with Maven could not get it: tests that need it will be skipped."
}

ensure_brokers() {
  ensure_broker RabbitMQ rabbitmq_present rabbitmq-server rabbitmq
  ensure_broker Mosquitto mosquitto_present mosquitto mosquitto
  ensure_kafka
}

ensure_browser() {
  browser_present && return 0
  apt_install chromium fonts-dejavu-core && browser_present && return 0
  have brew && say "Installing chromium (brew)" && run_logged brew-chromium brew install --cask chromium && return 0
  warn "No Chromium found and neither apt nor brew could install one: screenshots cannot be taken."
}
