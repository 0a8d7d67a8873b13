# Runs one Postgres server in a folder of its own, and leaves neither behind.
#
# Standard input is a pipe whose other end the gateway holds: when it closes, however the gateway ended, the server is stopped and the
# folder goes. If the server ends by itself the folder goes too. What went wrong is told on standard error.
#
# $1: folder to make   $2: folder of the Postgres programs   from $3: arguments of `postgres`
folder=$1 programs=$2
shift 2
umask 077

# Where the gateway was killed nobody reads our standard error: neither the shell's own remarks nor a broken pipe may end us early.
# A shell also gives background commands an empty standard input. Hence both pipes under other numbers.
exec 3<&0 </dev/null 4>&2 2>/dev/null
trap '' PIPE
tell_last_words() { tail -n 20 "$folder/log" >&4; }

mkdir "$folder" 2>&4 || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

if ! "$programs/initdb" --pgdata="$folder/pg" --username=postgres --auth=trust --encoding=UTF8 --locale=C --no-sync \
    3<&- 4>&- >"$folder/log" 2>&1; then
    tell_last_words
    exit 1
fi

"$programs/postgres" -D "$folder/pg" -k "$folder" "$@" 3<&- 4>&- >>"$folder/log" 2>&1 &
server=$!

# INT ends the server without waiting for its clients, but is lost on one that has only just been started; TERM is not.
stop_server() {
    kill -TERM "$server"
    kill -INT "$server"
}
trap stop_server HUP INT TERM

( while read -r _ <&3; do :; done; stop_server ) &
watcher=$!

# A signal ends `wait` early, hence the loop.
wait "$server"
status=$?
while kill -0 "$server"; do
    wait "$server"
    status=$?
done
kill "$watcher"
[ "$status" -eq 0 ] || tell_last_words
