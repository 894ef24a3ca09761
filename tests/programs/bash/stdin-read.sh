while IFS= read -r line; do echo "line: $line"; done
read -r nothing || echo "end of input"
