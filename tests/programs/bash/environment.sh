echo "$GREETING $HOME $LANG $PWD"
env | grep -v '^_=' | cut -d= -f1 | sort | tr '\n' ' '
