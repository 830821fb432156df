#!/usr/bin/env bash
# Rules of the code base that the compiler does not check.
set -euo pipefail
cd "$(dirname "$0")/.."
fail=0

mods=$(git ls-files 'crates/**/mod.rs')
[ -z "$mods" ] || { echo "use foo.rs + foo/ instead of mod.rs: $mods" >&2; fail=1; }

while read -r n f; do
    [ "$f" = total ] || [ "$n" -le 900 ] || { echo "$f has $n lines: split it by concern" >&2; fail=1; }
done < <(git ls-files 'crates/*.rs' | grep -vE '^crates/schema/src/table/|/tests/' | xargs wc -l)

tls=$(cargo tree --locked --workspace --duplicates --depth 0 2>/dev/null | grep -E '^(tonic|prost|rustls|hyper) v' | sort -u | awk '{print $1}' | uniq -d || true)
[ -z "$tls" ] || { echo "more than one version of: $tls" >&2; fail=1; }
exit $fail
