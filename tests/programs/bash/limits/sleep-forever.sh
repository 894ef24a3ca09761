echo asleep
sleep 1000
