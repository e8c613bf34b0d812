#!/usr/bin/env bash
# Makes `order.ld` anew: which functions a small build runs, by name, so that the linker lays them next to each other.
#
# usage: src/build/order.sh PROGRAM    a release build of `highwater` that still has its symbols, such as that of
#                                      `cargo build --profile dist --config 'profile.dist.strip="none"'`
#
# Needs valgrind and nm. The hash at the end of a name changes with the compiler, and that of a crate with its version, so both are left
# out; a name that no longer exists orders nothing and does no harm. Names that few functions share stand first.
set -euo pipefail
export LC_ALL=C
program=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Typical builds, outside of any work tree, as they mostly are when somebody tries the program out.
cases=(prefix-names-and-references labels-include-templates images-new-tag namespace-moves-objects replicas-several-entries
    namespace-of-overlay-wins patch-strategic-containers generator-literals-and-references)
for case in "${cases[@]}"; do
    cp -r "tests/golden/kustomize/$case" "$work/$case"
    overlay="$work/$case"
    [ -d "$overlay/overlay" ] && overlay="$overlay/overlay"
    valgrind --quiet --tool=callgrind --callgrind-out-file="$work/calls" --demangle=no \
        --compress-strings=no --compress-pos=no "$program" build "$overlay" >"$work/out"
    sed -nE "s/^c?fn=(_ZN|_R)/\1/p" "$work/calls" >>"$work/ran"
done

without_hashes() {
    sed -E "s/'[0-9]+\$//; s/\.llvm\.[0-9]+\$//; s/17h[0-9a-f]{16}E\$/17h*/; s/Cs[0-9A-Za-z]+_/Cs*_/g"
}
nm "$program" | awk '$2 == "t" || $2 == "T" { print $3 }' | without_hashes | sort | uniq -c | awk '{ print $2, $1 }' >"$work/known"
sort -u "$work/ran" | without_hashes | sort -u |
    awk 'NR == FNR { count[$1] = $2; next } count[$1] { print count[$1], $1 }' "$work/known" - |
    sort -k1,1n -k2,2 | awk '{ print $2 }' >"$work/order"

{
    echo '/* Made by order.sh: the functions of a small build, next to each other. */'
    echo 'SECTIONS'
    echo '{'
    echo '  .text.build :'
    echo '  {'
    # What the compiler takes for unlikely has a section of another name.
    sed -E 's/^(.*)$/    *(.text.\1 .text.unlikely.\1)/' "$work/order"
    echo '  }'
    echo '}'
    echo 'INSERT BEFORE .text;'
} >src/build/order.ld
echo "$(wc -l <"$work/order") names in src/build/order.ld" >&2
