nosuchcommand
echo $?
cd /no/such/folder
set -u
echo $undefined_variable
echo never
