#!/usr/bin/env bash
# Builds what is given to people, into dist/ (or DIST): for each of armv6, arm64, amd64
#
#   linux-ARCH/xtls-agent, linux-ARCH/xtlsctl          static, stripped
#   xtls-agent_VERSION_{armhf,arm64,amd64}.deb         Debian 12, Raspberry Pi OS and later
#   SHA256SUMS
#
# The same commit gives the same bytes: no path, no time and no name of the machine gets into them. ARCHES=… builds some only;
# VERSION=… and SOURCE_DATE_EPOCH=… stand in for git where there is none; MAINTAINER=… is who answers for the packages.
set -euo pipefail
export LC_ALL=C TZ=UTC
umask 022
cd "$(dirname "$0")/../.."

GO=${GO:-go}
DIST=${DIST:-dist}
ARCHES=${ARCHES:-armv6 arm64 amd64}
NFPM=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
VERSION=${VERSION:-$(build/arm/version.sh)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
MAINTAINER=${MAINTAINER:-xtls-agent maintainers <maintainers@xtls-agent.example>}
export VERSION SOURCE_DATE_EPOCH MAINTAINER

# What is packed, besides the binaries; nfpm.yaml says where it goes.
stage=$DIST/stage
say() { printf 'dist: %s\n' "$*"; }
die() { printf 'dist: %s\n' "$*" >&2; exit 1; }

# No -buildvcs: it would write into the binary whether the folder had other files in it. The version says the same.
flags=(-trimpath -buildvcs=false -ldflags "-s -w -buildid= -X xtls-agent/internal/cli.version=$VERSION")

# build OS-independent: ARCH FOLDER
build() {
    local arch=$1 goarch=$1 goarm=
    case $arch in armv6) goarch=arm goarm=6 ;; esac
    CGO_ENABLED=0 GOOS=linux GOARCH=$goarch GOARM=$goarm GOFLAGS= $GO build "${flags[@]}" -o "$2/" ./cmd/xtls-agent ./cmd/xtlsctl
}

# page SOURCE NAME: a page or another text of the package, compressed as Debian has them.
page() { gzip -9nc "$1" >"$stage/$2.gz"; }

# completions: the programs write them, so that they know every subcommand and flag.
completions() {
    local program
    for program in xtls-agent xtlsctl; do
        "$1/$program" completion bash >"$stage/$program.bash"
        "$1/$program" completion zsh >"$stage/_$program"
        "$1/$program" completion fish >"$stage/$program.fish"
    done
}

# changelog: Debian's form. What changed is in CHANGELOG.md, for people.
changelog() {
    printf 'xtls-agent (%s) unstable; urgency=medium\n\n' "$VERSION"
    printf '  * Built from the source of this version. CHANGELOG.md.gz tells what is new.\n\n'
    printf ' -- %s  %s\n' "$MAINTAINER" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")"
}

# shared makes what is the same for each architecture.
shared() {
    local native=$stage/native
    rm -rf "$stage"
    mkdir -p "$stage"
    GOFLAGS= $GO build "${flags[@]}" -o "$native/" ./cmd/xtls-agent ./cmd/xtlsctl
    completions "$native"
    page docs/man/xtls-agent.1 xtls-agent.1
    page docs/man/xtlsctl.1 xtlsctl.1
    page docs/man/xtls-agent.toml.5 xtls-agent.toml.5
    page CHANGELOG.md CHANGELOG.md
    changelog >"$stage/changelog"
    page "$stage/changelog" changelog
    GO=$GO build/arm/copyright.sh >"$stage/copyright"
}

# package ARCH
package() {
    local deb
    case $1 in armv6) deb=arm6 ;; *) deb=$1 ;; esac
    rm -rf "$stage/bin"
    cp -r "$DIST/linux-$1" "$stage/bin"
    find "$stage" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    PACKAGE_ARCH=$deb STAGE=$stage envsubst_nfpm >"$stage.yaml"
    $GO run $NFPM package --config "$stage.yaml" --packager deb --target "$DIST/" >/dev/null
}

# envsubst_nfpm fills in the few words of nfpm.yaml that change: nfpm itself does so in some places only.
envsubst_nfpm() {
    sed -e "s|\${PACKAGE_ARCH}|$PACKAGE_ARCH|" -e "s|\${VERSION}|$VERSION|" -e "s|\${MAINTAINER}|$MAINTAINER|" \
        -e "s|\${STAGE}|$STAGE|" build/arm/nfpm.yaml
}

main() {
    local arch
    rm -f "$DIST"/*.deb "$DIST/SHA256SUMS"
    mkdir -p "$DIST"
    say "version $VERSION"
    shared
    for arch in $ARCHES; do
        build "$arch" "$DIST/linux-$arch"
        package "$arch"
    done
    rm -rf "$stage" "$stage.yaml"
    (cd "$DIST" && sha256sum linux-*/* ./*.deb | sed 's|\./||' >SHA256SUMS && ls -l linux-*/* ./*.deb | awk '{ printf "  %10d  %s\n", $5, $9 }')
}

main
