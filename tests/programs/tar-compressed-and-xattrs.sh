# with: tree
# needs: tar gzip setfattr getfattr setfacl
make_tree tree
setfattr -n trusted.kept -v value tree/etc/passwd
setfattr -n user.kept -v value tree/etc/passwd
setfacl -m u:1000:rwx tree/etc/shadow
tar -czf a.tar.gz --xattrs --xattrs-include='*' --acls --numeric-owner tree
mkdir out
tar -xzpf a.tar.gz --xattrs --xattrs-include='*' --acls --numeric-owner -C out
show_tree out
(cd out && getfattr -d -m - tree/etc/passwd tree/etc/shadow)
