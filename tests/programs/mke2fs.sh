# with: tree
# needs: mke2fs debugfs truncate
make_tree tree
truncate -s 4M a.img
mke2fs -q -t ext2 -d tree a.img
for path in /bin/su /bin/wall /bin/soft /dev/null /dev/sda /dev/large /dev/initctl /etc/shadow /home/user/locked \
    /var/mail /tmp; do
    echo "== $path"
    debugfs -R "stat $path" a.img 2>/dev/null | grep -oE 'Type: [a-z ]+|Mode: +[0-7]+|User: +[0-9]+ +Group: +[0-9]+|Links: [0-9]+|Device major/minor number: [0-9:]+|Fast link dest: .*'
done
