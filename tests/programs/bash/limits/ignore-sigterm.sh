trap '' TERM INT HUP QUIT
echo deaf
while :; do sleep 1; done
