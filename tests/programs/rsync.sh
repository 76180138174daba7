# with: tree
# needs: rsync setfacl setfattr getfattr
make_tree tree
setfacl -m u:1000:rwx tree/etc/passwd
setfattr -n user.kept -v value tree/etc/passwd
setfattr -n trusted.kept -v value tree/bin/su
rsync -aHAX tree/ copy/
show_tree copy
(cd copy && getfattr -d -m - etc/passwd bin/su)
chown 12:34 tree/etc/passwd; chmod 600 tree/bin/wall
rsync -aHAX --delete tree/ copy/
show_tree copy
rsync -aHAXn --itemize-changes tree/ copy/
