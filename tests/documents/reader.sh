#!/bin/sh
# Stands in for the program that reads documents, and behaves as the name says by which it was called.
echo $$ >"$0.pid"
case ${0##*/} in
    spins) while :; do :; done ;;
    sleeps) exec sleep 600 ;;
    crashes) kill -SEGV $$ ;;
    aborts) kill -ABRT $$ ;;
    ends) exit 0 ;;
    babbles) exec yes "this is no answer" ;;
    breaks-off) printf '\100\000\000\000\000\000\000\000half' ;;
    dies-idle) exec "${0%/*}/postern" "$@" ;;
esac
