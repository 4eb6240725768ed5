#!/bin/sh
# Makes each secret that is missing. One that exists is never written again, so running this twice changes nothing.
#   make-secrets                          what its service does at each start
#   make-secrets rotate VOLUME/NAME ...   takes these away first; where that is interrupted, the next start makes them
#   make-secrets forget                   the replaced passwords that were kept for those who must know them once more
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

case ${1:-} in
    rotate)
        shift
        for each; do
            # The administrator may have another password by now; only who still has this one gets the new one, and that
            # Open WebUI finds out at its next start (services/open-webui/accounts.py). Its old files go on counting.
            if [ "$each" = open-webui/admin-password ] && [ -e "/secrets/$each" ]; then
                mv "/secrets/$each" "$(mktemp -u "/secrets/$each.old-XXXXXXXX")"
            fi
            rm -f "/secrets/$each"
        done
        ;;
    forget) rm -f /secrets/open-webui/admin-password.old-* ;;
esac

secret gateway token 10002
secret chainlit secret-key 10001
secret chainlit admin-password 10001
secret chainlit probe-password 10001
shared gateway cloud-token 10002 chainlit cloud-token 10001
shared chainlit monitor-password 10001 monitor chainlit-password 10005
secret open-webui secret-key 10003
secret open-webui admin-password 10003
secret open-webui probe-password 10003
shared open-webui monitor-password 10003 monitor open-webui-password 10005
