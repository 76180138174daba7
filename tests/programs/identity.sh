# needs: id setpriv
id -u; id -g; id -ru; id -un; whoami
setpriv --reuid 1000 --regid 1000 --clear-groups id
setpriv --reuid 1000 --regid 1001 --groups 5,6,7 id
setpriv --reuid 1000 id -u
setpriv --euid 1000 --egid 1000 --clear-groups sh -c 'id -u; id -ru'
setpriv --reuid 1000 --clear-groups setpriv --reuid 0 true 2>/dev/null; echo $?
cp /usr/bin/id id; chown 2000:3000 id; chmod 6755 id
setpriv --reuid 1000 --regid 1000 --clear-groups ./id
setpriv --reuid 1000 --regid 1000 --clear-groups --no-new-privs ./id
