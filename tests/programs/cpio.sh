# with: tree
# needs: cpio
make_tree tree
(cd tree && find . | sort | cpio -o -H newc --quiet) >a.cpio
cpio -itvn --quiet <a.cpio
mkdir out
(cd out && cpio -idm --quiet --no-absolute-filenames <../a.cpio)
show_tree out
mkdir pass
(cd tree && find . | sort | cpio -pdm --quiet ../pass)
show_tree pass
