# needs: setfacl getfacl
echo text >f; mkdir d; chown 5:6 f
setfacl -m u:1000:rwx,g:2000:r-x,o::- f
getfacl -n f; stat -c %a f
setfacl -d -m u:1000:rwx d
echo text >d/g; mkdir d/e
getfacl -n d d/g d/e
chmod 711 f; getfacl -n f
setfacl -b f; getfacl -n f; stat -c %a f
getfacl -nR . >saved; setfacl -R -m u:77:r .; setfacl --restore=saved; getfacl -nR .
setfacl -k d; getfacl -n d
