#!/bin/sh
# Makes each secret that is missing. One that exists is never written again, so running this twice changes nothing.
# A secret appears complete or not at all: it is written beside its place, given away, and only then renamed.
set -eu
umask 077

# secret VOLUME NAME UID: 32 random bytes as 43 URL-safe characters in /secrets/VOLUME/NAME, readable by UID only.
secret() {
    file="/secrets/$1/$2"
    if [ -e "$file" ]; then
        if [ -s "$file" ]; then return; fi
        echo "The secret $file is empty. Remove its volume, and it is made anew: docker compose down && docker volume rm" \
            "<project>_$1-secrets" >&2
        exit 1
    fi
    new=$(mktemp "/secrets/$1/.$2.XXXXXXXX")
    head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n' >"$new"
    chmod 0400 "$new"
    sync "$new"
    chown "$3:$3" "$new"
    mv --no-clobber "$new" "$file" # of two that run at once the first one wins
    rm -f "$new"
    sync "/secrets/$1"
}

# shared VOLUME NAME UID OTHER_VOLUME OTHER_NAME OTHER_UID: one secret that two services know. Once given away it can't be
# read here any more: where one of them lacks it, both get a new one.
shared() {
    if [ -s "/secrets/$1/$2" ] && [ -s "/secrets/$4/$5" ]; then return; fi
    rm -f "/secrets/$1/$2" "/secrets/$4/$5"
    made=$(head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n')
    while [ $# -gt 0 ]; do
        new=$(mktemp "/secrets/$1/.$2.XXXXXXXX")
        printf %s "$made" >"$new"
        chmod 0400 "$new"
        sync "$new"
        chown "$3:$3" "$new"
        mv "$new" "/secrets/$1/$2"
        sync "/secrets/$1"
        shift 3
    done
}

secret gateway token 10002
secret open-webui secret-key 10003
secret open-webui admin-password 10003
secret open-webui probe-password 10003
shared open-webui monitor-password 10003 monitor open-webui-password 10005
