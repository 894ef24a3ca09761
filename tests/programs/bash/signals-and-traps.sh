trap 'echo bye' EXIT
trap 'echo got usr1' USR1
kill -USR1 $$
sleep 0.01 & wait $!
kill -TERM $$
