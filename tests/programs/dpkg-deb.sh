# needs: dpkg-deb
mkdir -p p/DEBIAN p/usr/bin p/var/games
cat >p/DEBIAN/control <<EOF
Package: example
Version: 1
Architecture: all
Maintainer: Nobody <nobody@example.org>
Description: an example
EOF
printf '#!/bin/sh\n' >p/DEBIAN/postinst; chmod 755 p/DEBIAN/postinst
echo program >p/usr/bin/game; chown 0:60 p/usr/bin/game; chmod 2755 p/usr/bin/game
echo program >p/usr/bin/suid; chmod 4755 p/usr/bin/suid
echo 1 >p/var/games/scores; chown 5:60 p/var/games p/var/games/scores; chmod 664 p/var/games/scores
find p -exec touch -h -d '2020-02-02 02:02:02 UTC' {} +
export SOURCE_DATE_EPOCH=1580608922
dpkg-deb -b p own.deb
dpkg-deb --root-owner-group -b p root.deb
dpkg-deb -c own.deb
dpkg-deb -c root.deb
dpkg-deb -f own.deb Package Version
dpkg-deb -x own.deb out
dpkg-deb -e own.deb control
(cd out && find . | sort | xargs stat -c '%n %F %a %u:%g')
stat -c '%n %F %a %u:%g' control/postinst
sha256sum <own.deb
