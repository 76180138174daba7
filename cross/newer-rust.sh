# For CPUs that Debian 12 has no standard library for (riscv64): its security updates carry a newer compiler with the library's
# source, from which cargo makes one. Their versions move, so what is newest is taken. Sourced by cross/build.

rust=$cache/rust-newer
if [ ! -x "$rust/usr/bin/rustc" ]; then
  [ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || die "no compiler for $target here: rustup target add $target"
  echo "downloading Debian's newest rustc-web with its source for $target" >&2
  lists bookworm-security amd64
  show() { private_apt apt-cache bookworm-security amd64 show --no-all-versions "$@"; }
  newest=$(show rustc-web | sed -n 's/^Version: //p' | head -n 1)
  libraries=$(show rustc-web libstd-rust-web-dev | grep -oE '(libstd-rust-web|libllvm)-?[0-9]+(\.[0-9]+)?' | sort -u)
  libraries+=" $(private_apt apt-cache bookworm-security amd64 show "$(grep -m 1 libstd <<<"$libraries")" | grep -oE 'libllvm[0-9]+' | sort -u | tail -n 1)"
  wanted=(rustc-web="$newest" libstd-rust-web-dev="$newest" rust-web-src="$newest")
  for library in $(tr ' ' '\n' <<<"$libraries" | sort -u); do wanted+=("$library"); done
  rm -rf "$cache/debs-newer" "$rust" && mkdir -p "$cache/debs-newer"
  (cd "$cache/debs-newer" && private_apt apt-get bookworm-security amd64 download "${wanted[@]}" >&2)
  for package in "$cache"/debs-newer/*.deb; do dpkg -x "$package" "$rust.new"; done
  mv "$rust.new" "$rust"
fi
export RUSTC=$top/cross/rustc-newer RUSTC_BOOTSTRAP=1
options+=(-Zbuild-std=std,panic_abort)
