#!/bin/sh
# fuzz.sh           runs every fuzz target for FUZZTIME (10s), one after the other, and goes on after a finding.
# fuzz.sh corpus    keeps a few of the inputs that Go's cache has collected, in testdata/fuzz of each package.
#
# FUZZ=NAME runs one target, or those of that name in several packages. FUZZWORKERS is how many run inputs at once (one for each core).
# A finding is written to testdata/fuzz by Go, where `go test` runs it from then on: mend the program, and commit both.
set -eu
cd "$(dirname "$0")/.."

GO=${GO:-go}
FUZZTIME=${FUZZTIME:-10s}
FUZZ=${FUZZ:-}
FUZZWORKERS=${FUZZWORKERS:-$(getconf _NPROCESSORS_ONLN)}

# An input of these sizes is kept; so a target's corpus stays below 100 kB, and the repository's below 3 MB.
KEEP=16
KEEP_BYTES=4096

# targets lists folder and name of each target.
targets() {
	grep -rl --include='*_test.go' '^func Fuzz' . | sort | while read -r file; do
		sed -n "s|^func \(Fuzz[A-Za-z0-9_]*\)(f \*testing\.F).*|$(dirname "$file") \1|p" "$file"
	done | awk -v only="$FUZZ" 'only == "" || $2 == only' | sort -u
}

list=$(targets)
[ -n "$list" ] || { echo "there is no fuzz target ${FUZZ:-at all}" >&2; exit 2; }
all=$(echo "$list" | wc -l)

run() {
	n=0
	failed=
	while read -r dir name; do
		n=$((n + 1))
		echo "[$n of $all] $dir $name"
		# The name is anchored: Go refuses to fuzz two targets at once, and one's name may begin with another's. Without the bound, a single
		# new input is made smaller for up to a minute, in which nothing else is tried.
		"$GO" test -run '^$' -fuzz "^$name\$" -fuzztime "$FUZZTIME" -fuzzminimizetime 200x -parallel "$FUZZWORKERS" "$dir" </dev/null ||
			failed="$failed$dir $name
"
	done <<-END
		$list
	END
	[ -z "$failed" ] || { printf 'findings, written to testdata/fuzz of:\n%s' "$failed" >&2; exit 1; }
}

# spread prints KEEP of its lines, evenly chosen: inputs that the fuzzer found come sorted by size, and the larger ones got further.
spread() {
	awk -v keep="$KEEP" '{ line[NR] = $0 } END { for (i = 1; i <= keep && i <= NR; i++) print line[NR <= keep ? i : int(1 + (i - 1) * (NR - 1) / (keep - 1))] }'
}

corpus() {
	module=$("$GO" list -m)
	cache=$("$GO" env GOCACHE)/fuzz/$module
	while read -r dir name; do
		from="$cache/${dir#./}/$name"
		to="$dir/testdata/fuzz/$name"
		[ -d "$from" ] || continue
		mkdir -p "$to"
		# No input that holds a key, though it be a test's.
		find "$from" -type f -size -"$KEEP_BYTES"c -printf '%s %p\n' | sort -n | cut -d' ' -f2 |
			xargs -r grep -L -e 'PRIVATE KEY' -e 'BEGIN CERT' | spread | while read -r file; do
			cp "$file" "$to/$(basename "$file")"
		done
		echo "$(ls "$to" | wc -l) $dir $name"
	done <<-END
		$list
	END
}

case ${1:-run} in
run) run ;;
corpus) corpus ;;
*) echo "usage: $0 [corpus]" >&2; exit 2 ;;
esac
