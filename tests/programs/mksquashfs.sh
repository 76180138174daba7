# with: tree
# needs: mksquashfs unsquashfs
make_tree tree
mksquashfs tree a.squashfs -quiet -no-progress -noappend
unsquashfs -lln a.squashfs
unsquashfs -quiet -no-progress -d out a.squashfs >/dev/null
show_tree out
