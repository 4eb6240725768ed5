#!/bin/bash
# Writes the facts that are only known at start next to nginx's fixed configuration, then becomes nginx.
# The token passes through shell builtins only, so it is in no argument list, no environment and no log.
set -euo pipefail
umask 077
facts=/tmp/facts
mkdir -p "$facts"

token=$(</run/secrets/token)
if [[ ! $token =~ ^[A-Za-z0-9_-]{43,}$ ]]; then
    echo "The gateway's token is missing or damaged. Make it anew: docker compose down --volumes && docker compose up -d" >&2
    exit 1
fi
printf 'proxy_set_header X-Relay-Token "%s";\n' "$token" >"$facts/token.conf"

# The chat's own token is looked at here and again at the relay: nobody else uses the way to the cloud where there is one.
cloud=closed
case ${CLOUD_DOOR:-closed} in
    closed) ;;
    open)
        chat=$(</run/secrets/cloud-token)
        if [[ ! $chat =~ ^[A-Za-z0-9_-]{43,}$ ]]; then
            echo "The token for the cloud is missing or damaged. Make it anew: python3 scripts/passwords.py rotate cloud-token" >&2
            exit 1
        fi
        cloud="refused; \"~^Bearer $chat\$\" open"
        ;;
    *)
        echo "CLOUD_DOOR must be open or closed." >&2
        exit 1
        ;;
esac
# shellcheck disable=SC2016  # these are nginx's variables
printf 'map $http_authorization $cloud_door { default %s; }\n' "$cloud" >"$facts/cloud.conf"

if [[ ! ${FOUNDRY_PORT:-} =~ ^[0-9]{1,5}$ ]]; then
    echo "FOUNDRY_PORT must be a port number, such as 51211." >&2
    exit 1
fi
# max_fails=0: with one host there is no better one to turn to while this one is away.
printf 'server host.docker.internal:%s max_fails=0;\n' "$FOUNDRY_PORT" >"$facts/relay.conf"
printf 'proxy_set_header Host "host.docker.internal:%s";\n' "$FOUNDRY_PORT" >"$facts/relay-host.conf"

rate=${GATEWAY_RATE:-}
if [[ ! $rate =~ ^[1-9][0-9]{1,5}$ ]]; then
    echo "GATEWAY_RATE must be a whole number from 10 on, such as 200." >&2
    exit 1
fi
# Bursts pass at once and not one after the other: a page is a burst, and so are users who come back from lunch.
# shellcheck disable=SC2016  # these are nginx's variables
{
    printf 'limit_req_zone "$binary_remote_addr$server_port" zone=requests:1m rate=%sr/s;\n' "$rate"
    printf 'limit_req_zone $asks_a_model zone=questions:1m rate=%sr/s;\n' "$((rate / 10))"
} >"$facts/limits.conf"
printf 'limit_req zone=requests burst=%s nodelay;\n' "$((rate * 20))" >"$facts/requests.conf"
printf 'limit_req zone=questions burst=%s nodelay;\n' "$rate" >"$facts/questions.conf"

# Foundry's door is for `private` only: `edge`, the network with the default route, can be reached from outside of the
# stack. The sender is checked and not the address listened on, because that one changes when a network is reconnected.
edge=$(ip -4 -o route show default | awk '{print $5; exit}')
ip -4 -o route show scope link | awk -v edge="$edge" '$3 != edge {print "allow " $1 ";"}' >"$facts/front-ends.conf"
echo "deny all;" >>"$facts/front-ends.conf"

# The pages are for this machine: its own address on `edge` (published ports come from there, on Docker Desktop from a
# network of its virtual machine, where the host's name leads too), the front ends, and this container.
{
    ip -4 -o route show default | awk '{print $3 " 1;"; exit}'
    ip -4 -o route show scope link | awk -v edge="$edge" '$3 != edge {print $1 " 1;"}'
    echo "127.0.0.0/8 1;"
    if getent ahostsv4 host.docker.internal | grep -q '^192\.168\.65\.'; then echo "192.168.65.0/24 1;"; fi
} >"$facts/visitors.conf"

unset token chat cloud
exec nginx -e stderr -c /etc/nginx/nginx.conf
