#!/bin/sh
# Prints the version of what is built: of a tag vX.Y.Z, X.Y.Z; after one, X.Y.Z+gitDATE.COMMIT; before the first, 0~gitDATE.COMMIT.
# So dpkg sorts them as they were made. What is not committed makes it end in .modified.
set -eu
cd "$(dirname "$0")/../.."

tag=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null || true)
commit=$(TZ=UTC git log -1 --abbrev=8 --date=format-local:%Y%m%d.%H%M%S --format=git%cd.%h)
case $tag in
'') version=0~$commit ;;
*) version=${tag#v}
    [ "$(git rev-parse "$tag^{commit}")" = "$(git rev-parse HEAD)" ] || version=$version+$commit ;;
esac
[ -z "$(git status --porcelain)" ] || version=$version.modified
echo "$version"
