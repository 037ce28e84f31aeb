#!/usr/bin/env bash
# Proves the installed tree: CMake and pkg-config, shared and static, each built and run; and what
# the shared library exports. Touches nothing outside its temporary folder.
# Usage: install_test.sh BUILD_DIR LIBDIR COMPILER FLAGS
set -euo pipefail

build_dir=$1 libdir=$2 compiler=$3 flags=$4
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
export SHOAL_SOCKET=$work/no-manager.sock

fail() {
  echo "install_test: $*" >&2
  exit 1
}

run_consumer() {
  local program=$1 output
  output=$("$program") || fail "$program ended with status $?"
  [[ $output == ok ]] || fail "$program printed '$output' instead of ok"
  echo "ok: ${program#"$work"/}"
}

needs_libshoal() { readelf -d "$1" | grep -q 'NEEDED.*libshoal\.so\.0'; }

# The tree is moved after the installation: nothing in it may know where it was put first.
cmake --install "$build_dir" --prefix "$work/first" >"$work/install.log" || fail "$(<"$work/install.log")"
mv "$work/first" "$prefix"

echo "== exports"
exported=$(nm -D --defined-only "$prefix/$libdir/libshoal.so" | awk '{print $3}')
[[ -n $exported ]] || fail "libshoal.so exports nothing"
stray=$(grep -v '5shoal\|^shoal_' <<<"$exported" || true)
[[ -z $stray ]] || fail "libshoal.so exports foreign names: $stray"
internal=$(grep -E '^_ZN?K?5shoal(6memory|8protocol|6client|6daemon|4wire)' <<<"$exported" || true)
[[ -z $internal ]] || fail "libshoal.so exports internals: $internal"

echo "== cmake"
cmake -S "$here/consumer" -B "$work/cmake" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" \
  -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_CXX_FLAGS="$flags" >"$work/cmake.log" 2>&1 ||
  fail "$(<"$work/cmake.log")"
cmake --build "$work/cmake" >"$work/cmake.log" 2>&1 || fail "$(<"$work/cmake.log")"
run_consumer "$work/cmake/consumer_shared"
run_consumer "$work/cmake/consumer_static"
needs_libshoal "$work/cmake/consumer_shared" || fail "the shared consumer does not use libshoal.so.0"
needs_libshoal "$work/cmake/consumer_static" && fail "the static consumer uses libshoal.so.0"
cmake -S "$here/shared_only" -B "$work/shared_only" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" \
  -DCMAKE_CXX_COMPILER="$compiler" >"$work/cmake.log" 2>&1 || fail "$(<"$work/cmake.log")"

echo "== pkg-config"
export PKG_CONFIG_PATH=$prefix/$libdir/pkgconfig
read -ra options <<<"-std=c++20 $flags"
read -ra libs <<<"$(pkg-config --cflags --libs shoal)"
"$compiler" "${options[@]}" "$here/consumer/consumer.cc" -o "$work/pc_shared" "${libs[@]}" \
  -Wl,-rpath,"$prefix/$libdir"
run_consumer "$work/pc_shared"
needs_libshoal "$work/pc_shared" || fail "the pkg-config consumer does not use libshoal.so.0"

# Where both are installed the linker prefers the shared one.
rm "$prefix/$libdir"/libshoal.so*
read -ra libs <<<"$(pkg-config --static --cflags --libs shoal)"
"$compiler" "${options[@]}" "$here/consumer/consumer.cc" -o "$work/pc_static" "${libs[@]}"
run_consumer "$work/pc_static"

for program in shoald shoalctl; do
  [[ -x $prefix/bin/$program ]] || fail "bin/$program is not installed"
done
