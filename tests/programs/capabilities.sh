# needs: setcap getcap setpriv
cp /bin/true f; cp /bin/cat g
setcap cap_net_raw,cap_net_admin=ep f
setcap cap_dac_override+i g
getcap f g
setcap -v cap_net_raw,cap_net_admin=ep f
getcap -r .
chown 5 f; getcap f
setcap -r g; getcap g
setpriv --bounding-set -net_raw sh -c 'setpriv --dump | grep -c net_raw'
setpriv --securebits +noroot true; echo $?
