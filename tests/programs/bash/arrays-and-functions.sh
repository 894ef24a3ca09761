declare -A m=([a]=1 [b]=2)
f() { local x=$1; echo $((x * 2)); return 4; }
list=(x y "z w"); echo "${#list[@]} ${list[2]} ${m[b]} $(f 21)" $?
for i in {1..3}; do case $i in 2) echo two;; *) echo "$i";; esac; done
echo {a,b}{1,2} ${list[0]^^} "$(seq 3 | paste -sd+ | bc 2>/dev/null || echo none)"
