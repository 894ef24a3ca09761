source ./lib.sh
greet world
cat <<END | tr a-z A-Z
here document $((1 + 1))
END
