# What the scripts of this directory and checks/leg share: the CPUs they know, the cache, what they install. Sourced.

set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Everything that is downloaded or made from downloads: debs/ (packages), rust185/ (an unpacked compiler), k/DEB-ARCH/
# (unpacked kernels), out/ (what was made of them), apt/ (package lists).
cache=${XDG_CACHE_HOME:-$HOME/.cache}/frng-cross
mkdir -p "$cache"/{debs,rust185,k,out}

die() { echo "${0##*/}: $*" >&2; exit 1; }

# Everything about a CPU. Takes a Rust target or its first part.
#   target   Rust's name           deb      Debian's name          gnu       the cross compiler's prefix
#   gcc      its packages          qemu     the emulator           emulator  its package
#   machine  its machine and CPU   console  where the kernel talks job       where the job's output goes
#   kernel   Debian's kernel package without its version
#   libs     Debian's name of the programs' CPU, where they run on a kernel of another
#   narrow   the CPU whose 32-bit programs its kernel runs, too
know() {
  machine='' pvh='' libs='' narrow=''
  case ${1%%-*} in
    aarch64 | arm64)
      cpu=aarch64 deb=arm64 kernel=linux-image-arm64 qemu=qemu-system-aarch64 emulator=qemu-system-arm
      target=aarch64-unknown-linux-gnu gnu=aarch64-linux-gnu narrow=arm
      # No pointer authentication: it makes the emulation five times as slow.
      machine='virt -cpu cortex-a72' console=ttyAMA0 job=ttyS0 ;;
    arm | armhf | armv7)
      # 32-bit programs under that kernel: frng itself does not run as one.
      know aarch64
      cpu=arm libs=armhf narrow='' target=armv7-unknown-linux-gnueabihf gnu=arm-linux-gnueabihf ;;
    i386 | i586 | i686)
      cpu=i386 deb=i386 kernel=linux-image-686-pae qemu=qemu-system-i386 emulator=qemu-system-x86
      target=i686-unknown-linux-gnu gnu=i686-linux-gnu
      machine='q35 -cpu max' console=ttyS0 job=ttyS1 pvh=yes ;;
    x86_64 | amd64)
      cpu=x86_64 deb=amd64 kernel=linux-image-amd64 qemu=qemu-system-x86_64 emulator=qemu-system-x86
      target=x86_64-unknown-linux-gnu gnu='' narrow=i386
      machine='q35 -cpu max' console=ttyS0 job=ttyS1 pvh=yes ;;
    riscv64 | riscv64gc)
      cpu=riscv64 deb=riscv64 kernel=linux-image-riscv64 qemu=qemu-system-riscv64 emulator='qemu-system-misc opensbi'
      target=riscv64gc-unknown-linux-gnu gnu=riscv64-linux-gnu
      machine=virt console=ttyS0 job=ttyS1 ;;
    *) die "no such CPU: $1 (aarch64, arm, i386, x86_64, riscv64)" ;;
  esac
  libs=${libs:-$deb}
  gcc=''
  [ -z "$gnu" ] || gcc="gcc-${gnu/_/-} libc6-dev-$libs-cross"
}

# Installs packages that are missing; who may not is told what to install.
install() {
  local missing=() package
  for package; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  [ "$(id -u)" = 0 ] || die "not installed: ${missing[*]}; install them: apt-get install ${missing[*]}"
  echo "installing ${missing[*]}" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get -q update >&2
  # Somebody else may be installing something.
  apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "${missing[@]}" >&2
}

# An apt of its own, which touches nothing of the system's: private_apt TOOL SUITE DEB-ARCH[,DEB-ARCH...] ARGS...
# It takes packages from where the system's apt does.
private_apt() {
  local tool=$1 suite=$2 archs=$3 state=$cache/apt uri
  shift 3
  case $suite in
    bookworm) ;;
    *) state=$cache/apt-$suite ;;
  esac
  mkdir -p "$state"/etc/{apt.conf.d,preferences.d} "$state"/lists/partial "$state"/cache/archives/partial "$state"/dpkg
  : >"$state/dpkg/status"
  uri=$(mirror "$suite")
  printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$uri" "$suite" \
    >"$state/etc/sources.list"
  "$tool" -q -o Dir::Etc="$state/etc" -o Dir::Etc::sourcelist="$state/etc/sources.list" -o Dir::Etc::sourceparts=- \
    -o Dir::Etc::main=- -o Dir::Etc::parts="$state/etc/apt.conf.d" -o Dir::State="$state" \
    -o Dir::State::lists="$state/lists" -o Dir::State::status="$state/dpkg/status" -o Dir::Cache="$state/cache" \
    -o APT::Architecture="${archs%%,*}" -o APT::Architectures="$archs" -o APT::Get::List-Cleanup=0 \
    -o APT::Sandbox::User=root -o APT::Install-Recommends=0 -o Acquire::Languages=none "$@"
}

# The mirror that the system's apt uses for a suite: that of the security updates for theirs, else the first one.
mirror() {
  local sources uri
  sources=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources 2>/dev/null || true)
  uri=$(awk '/^(URIs:|deb )/ {for (i = 2; i <= NF; i++) if ($i ~ /^(http|https|mirror\+file|file):/) {print $i; break}}' \
    <<<"$sources")
  case $1 in
    *-security) uri=$(grep security <<<"$uri" || true) ;;
    *) uri=$(grep -v security <<<"$uri" || true) ;;
  esac
  uri=$(head -n 1 <<<"$uri")
  [ -n "$uri" ] || die "no Debian mirror for $1 in /etc/apt: packages for other CPUs cannot be had"
  echo "$uri"
}

# Package lists of a suite for these architectures, once.
lists() {
  local suite=$1 archs=$2 state=$cache/apt
  [ "$suite" = bookworm ] || state=$cache/apt-$suite
  local arch have=yes
  for arch in ${archs//,/ }; do
    compgen -G "$state/lists/*_main_binary-${arch}_Packages*" >/dev/null || have=''
  done
  [ -n "$have" ] || private_apt apt-get "$suite" "$archs" update >&2
}

# Downloads packages into debs/ that are not there: download SUITE DEB-ARCHS PACKAGE[:ARCH][=VERSION]...
download() {
  local suite=$1 archs=$2
  shift 2
  lists "$suite" "$archs"
  (cd "$cache/debs" && private_apt apt-get "$suite" "$archs" download "$@" >&2)
}

