# with: tree
# needs: chown chgrp chmod
make_tree tree
chgrp -R 100 tree/home; chgrp -hR 101 tree/bin
chmod -R go-rwx,u+rwX tree/home
chmod -R a=r tree/etc; chmod u+s,g+s,o+t tree/etc/passwd
chown -R --from=0:100 50 tree/home
chown --reference=tree/bin/soft tree/etc/passwd
chown 11: tree/etc/shadow 2>&1; chown :12 tree/etc/shadow; chown 13.14 tree/dev/null 2>/dev/null
chmod --reference=tree/tmp tree/var
chown -v 1:2 tree/tmp; chmod -c 755 tree/tmp
chmod 644 tree/missing; chown 1 tree/missing
show_tree tree
