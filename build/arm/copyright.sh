#!/usr/bin/env bash
# Prints the file copyright of the package: whose work is in the binaries, and on which terms. The list is what the programs link, so it
# cannot fall behind.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/../.."

GO=${GO:-go}

# terms FOLDER prints the licence that lies in a module's folder, or where Debian has it.
terms() {
    local file
    for file in "$1"/LICENSE* "$1"/COPYING* "$1"/NOTICE* "$1"/PATENTS*; do
        [ -f "$file" ] || continue
        if grep -q 'Apache License' "$file" && grep -q 'Version 2.0' "$file"; then
            printf 'Apache License, Version 2.0: see /usr/share/common-licenses/Apache-2.0\n'
        else
            tr -d '\r' <"$file"
        fi
        echo
    done
}

cat <<'END'
xtls-agent and xtlsctl: Copyright the authors of xtls-agent, as its repository names them.

Linked into the programs are Go's standard library and the modules below. Their copyrights and terms follow.

END
printf -- '----- Go\n\n'
terms "$($GO env GOROOT)"
CGO_ENABLED=0 GOOS=linux GOARCH=arm GOARM=6 $GO list -deps \
    -f '{{with .Module}}{{if .Version}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/... | sort -u |
    while read -r path version folder; do
        printf -- '----- %s %s\n\n' "$path" "$version"
        terms "$folder"
    done
