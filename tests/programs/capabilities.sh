# needs: setcap getcap setpriv capsh
cp /bin/true f; cp /bin/cat g
setcap cap_net_raw,cap_net_admin=ep f
setcap cap_dac_override+i g
getcap f g
setcap -v cap_net_raw,cap_net_admin=ep f
getcap -r .
chown 5 f; getcap f
setcap -r g; getcap g
capsh --drop=cap_net_raw -- -c 'capsh --print | grep -c Bounding.*net_raw'
setpriv --securebits +noroot true; echo $?
