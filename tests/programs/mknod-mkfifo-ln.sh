# needs: mknod mkfifo ln
umask 027
mknod c c 4 64; mknod -m 4711 b b 7 3; mknod p p; mknod u u 1 9
mkfifo f g; mkfifo -m 000 h
ln c hard; ln -s b soft; ln -sf c soft; ln -f p f
mknod c c 1 3; echo $?
mknod d x 1 3 2>/dev/null; echo $?
mkdir -m 3775 dir; mkdir -p dir/sub/sub
ls -ln --time-style=+ . dir | grep -v '^total'
rm -f c; ls -ln --time-style=+ hard
