"""The catalogue of causes: what the user sees, how each is told from its neighbours, and the command that mends it."""

from __future__ import annotations

from dataclasses import dataclass

UP = "python3 scripts/up.py"
RESTART_FOUNDRY = f"python3 scripts/foundry.py stop; {UP}"
SHOW_RULES = "sudo iptables -S | grep -E 'DROP|REJECT'"
SHOW_LISTENER = "sudo ss -ltnp 'sport = :{port}'"
OTHER_THAN_FOUNDRY = (
    f"python3 scripts/foundry.py status\n# end what answers at that address, or correct FOUNDRY_URL in .env; then: {UP}"
)
"""For foundry-port-taken-by-other, where it is not the relay's port that is taken, but the one that it leads to."""
CONTEXT_IN_OPEN_WEBUI = (
    "python3 scripts/passwords.py show\n# sign in to Open WebUI as its administrator; in the settings, under Models, "
    "set a lower max_tokens and a shorter system prompt for the model, and in the parameters for all models"
)
"""For context-too-long, where Open WebUI makes the question so."""

CONTEXT_OF_MODEL = (
    f"python3 scripts/foundry.py status\n# the model takes less than a short question: choose another MODEL; then: {UP}"
)
"""For context-too-long, where the model is asked directly."""


@dataclass(frozen=True)
class Cause:
    """One way for the stack to be broken or slow.

    Args:
        id: short, stable, kebab-case.
        seen: what the user sees.
        told: how the probe tells it from its neighbours.
        fix: the command, with blanks such as ``{container}``. Where it only shows what a person must decide on, a
            second line, a comment for the shell, says what to do then; so all of it can be pasted.
    """

    id: str
    seen: str
    told: str
    fix: str


_CAUSES = (
    Cause(
        "engine-unreachable",
        "No page opens, and `docker ps` fails.",
        "The engine's socket does not answer a ping.",
        UP,
    ),
    Cause(
        "engine-not-permitted",
        "`docker ps` says permission denied.",
        "The engine's socket is there, and the system refuses it to this user.",
        "sudo usermod -aG docker $USER\n# then log out and in again",
    ),
    Cause(
        "compose-too-old",
        "`docker compose` is unknown, or refuses compose.yaml.",
        "The plugin's version is missing, or lower than what compose.yaml needs.",
        UP,
    ),
    Cause(
        "disk-full",
        "Chats are not stored, and `up` stops: no space left on device.",
        "The disk that the engine keeps its files on, or the one with the stack's state, has no room.",
        "docker system df; df -h\n"
        f"# make room (`docker image prune` and `docker builder prune` remove what nobody uses); then: {UP}",
    ),
    Cause(
        "container-missing",
        "The page does not open.",
        "The engine has no container with the project's and the service's label.",
        UP,
    ),
    Cause(
        "container-stopped",
        "The page does not open, or the chat has no connection.",
        "The container exists and is not running; it ended by itself or was stopped.",
        "docker start {container}",
    ),
    Cause(
        "container-paused",
        "The page loads for ever.",
        "The engine says that the container is paused.",
        "docker unpause {container}",
    ),
    Cause(
        "container-restarting",
        "The page comes and goes, or never comes.",
        "The container ends again and again, and the engine restarts it.",
        f"docker logs --tail 30 {{container}}; {UP}",
    ),
    Cause(
        "container-oom-killed",
        "The page went away in the middle of work.",
        "The engine noted, or the kernel counted, that a process in the container was ended for lack of memory.",
        f"docker rm --force {{container}}; {UP}\n# if it repeats, give it more memory in .env (see .env.example)",
    ),
    Cause(
        "container-starting",
        "The page does not open yet.",
        "The container runs, and its health check has not been answered yet.",
        UP,
    ),
    Cause(
        "container-unhealthy",
        "The page does not open, although its container runs.",
        "The container's own health check fails.",
        "docker restart {container}",
    ),
    Cause(
        "gateway-config-rejected",
        "No page opens; or what was changed in the gateway's configuration has no effect.",
        "nginx names a line of its configuration that it does not take: when it starts, or when it is asked.",
        f"docker rm --force {{gateway}}; {UP}\n"
        "# if it stays so, mend that line, in services/gateway or what compose.override.yaml lays over it; then again",
    ),
    Cause(
        "image-stale",
        "What was changed, or mended, in an image has no effect.",
        "The container runs another image than the one that its name stands for now.",
        UP,
    ),
    Cause(
        "port-on-all-interfaces",
        "Nothing: it works, for everybody else on the network too.",
        "The engine publishes a port of the container on an address that is not this machine's loopback.",
        f"docker rm --force {{container}}; {UP}\n"
        "# if it stays so, compose.override.yaml publishes it: write 127.0.0.1: before the port there; then again",
    ),
    Cause(
        "volume-full",
        "The chat, or Open WebUI, takes no question or forgets it.",
        "There is no room on the file system of the page's volume, which is not the engine's disk.",
        "docker exec {container} sh -c 'df -h /data; du -ah /data | sort -h | tail'\n"
        "# remove what is not needed there, or give it more room; then: docker restart {container}",
    ),
    Cause(
        "volume-read-only",
        "The chat does not come at all; or Open WebUI loads, but takes no question.",
        "The user that the page's server runs as may not write its volume, or the database in it.",
        "docker rm --force {container}; docker run --rm --user 0:0 --network none --volume {volume}:/data "
        f"--entrypoint chown {{image}} -R {{user}} /data; {UP}\n"
        "# if it stays so, compose.override.yaml mounts it to be read only, or its disk is",
    ),
    Cause(
        "init-failed",
        "No page opens; the containers were never started.",
        "The one-shot container that makes the secrets ended with an error.",
        f"docker logs --tail 30 {{container}}; {UP}",
    ),
    Cause(
        "port-taken",
        "The page does not open, or another program's page opens.",
        "The engine could not publish the container's port: another program listens there.",
        f"{SHOW_LISTENER}\n# end that program, or choose another port in .env; then: {UP}",
    ),
    Cause(
        "host-name-missing",
        "The chat says that the model server can't be reached.",
        "The gateway does not have that name on the front ends' network, or it or a front end can't resolve it.",
        f"docker rm --force {{gateway}}; {UP}",
    ),
    Cause(
        "host-name-wrong",
        "The chat says that the model server can't be reached.",
        "host.docker.internal resolves inside the container, but not to the gateway's address, or not to that alone.",
        f"docker rm --force {{container}}; {UP}",
    ),
    Cause(
        "proxy-hijacks-host-name",
        "Open WebUI shows no model, or says that it can't connect.",
        "The gateway is reached from the container, but its environment sends questions to a proxy.",
        "docker exec {container} env | grep -i _proxy=\n"
        "# compose.yaml has NO_PROXY right: take it out of compose.override.yaml, or wherever it was changed; then: "
        f"docker rm --force {{container}}; {UP}",
    ),
    Cause(
        "gateway-down",
        "All pages and the way to the model are dead.",
        "The gateway's container runs, but nothing in it listens or answers.",
        "docker restart {gateway}",
    ),
    Cause(
        "route-blocked",
        "The chat waits and then says that the model server can't be reached.",
        "The name resolves, but a connection is not answered at all: packets are dropped on the way.",
        f"{SHOW_RULES}\n# remove the rule that is in the way; then: {UP}",
    ),
    Cause(
        "connection-refused",
        "The chat says at once that the model server can't be reached.",
        "The name resolves and the gateway listens, yet the connection is refused: something rejects it on the way.",
        f"{SHOW_RULES}\n# remove the rule that is in the way; then: {UP}",
    ),
    Cause(
        "relay-down",
        "The chat says that Foundry Local can't be reached.",
        "The relay's port refuses, or takes connections without answering while Foundry Local itself does answer.",
        UP,
    ),
    Cause(
        "relay-token-wrong",
        "The chat says that the model server refuses it.",
        "The relay answers the gateway with 401: the tokens of the two differ.",
        f"docker restart {{gateway}}; {UP}",
    ),
    Cause(
        "foundry-not-running",
        "The chat says that Foundry Local is not running.",
        "The relay answers, but nothing listens where it looks for Foundry Local.",
        UP,
    ),
    Cause(
        "foundry-hangs",
        "The chat waits and no answer comes.",
        "Foundry Local holds its port, but gives no answer in time.",
        RESTART_FOUNDRY,
    ),
    Cause(
        "foundry-port-taken-by-other",
        "The chat says that the model server answers with something strange.",
        "Something listens on the relay's port, or where Foundry Local should be, that is neither of the two.",
        f"{SHOW_LISTENER}\n# end that program, or set FOUNDRY_PORT in .env; then: {UP}",
    ),
    Cause(
        "foundry-on-all-interfaces",
        "Nothing: it works, for everybody else on the network too.",
        "Foundry Local listens on an address that other machines can reach, and it has no login.",
        f"{SHOW_LISTENER}\n# have it listen on 127.0.0.1 only, or set FOUNDRY_URL=own in .env; then: {UP}",
    ),
    Cause(
        "model-unknown",
        "The chat says that the model is unknown.",
        "Foundry Local answers, but its list of models does not have the configured one.",
        f"python3 scripts/foundry.py status\n# set MODEL in .env to {{models}}, or to auto; then: {UP}",
    ),
    Cause(
        "model-not-loaded",
        "The chat says that the model is not loaded.",
        "The model is in Foundry Local's list, but not among the loaded ones.",
        UP,
    ),
    Cause(
        "model-on-other-device",
        "The answers come from another processor than DEVICE names.",
        "The model is loaded, in a variant whose id names another device.",
        UP,
    ),
    Cause(
        "page-unreachable",
        "The browser says that it can't connect.",
        "The containers are well, but the page's port on this machine refuses connections, or does not answer them.",
        f"docker restart {{gateway}}; {UP}\n# if it stays so, a rule is in the way: {SHOW_RULES}",
    ),
    Cause(
        "front-end-down",
        "The page does not load, or loads and does not react.",
        "The gateway answers, but the front end behind it does not.",
        "docker restart {container}",
    ),
    Cause(
        "front-end-cut-off",
        "The page says that it is not there yet, although its container runs.",
        "The front end is not on the gateway's network, or a connection to it does not come about, though it listens.",
        f"docker rm --force {{container}}; {UP}\n# if it stays so, a rule is in the way: {SHOW_RULES}",
    ),
    Cause(
        "webgpu-file-corrupt",
        "The demo does not load, or says that a file is missing or damaged.",
        "A file of the page does not come, or its hash is not the one that it had when the image was made.",
        f"{UP} --rebuild webgpu-static",
    ),
    Cause(
        "webgpu-headers-missing",
        "The browser loads the demo's files and refuses to run them.",
        "A file of the page comes without a header that it needs, or as another type.",
        f"docker restart {{gateway}} {{container}}; {UP}",
    ),
    Cause(
        "chainlit-auth-misconfigured",
        "The chat lets in whoever opens it, or does not come at all.",
        "The page says that it asks for no name and password, so that chats are not kept either; or the chat ends at "
        "its start, because it can't read the secrets that it signs people in with.",
        f"docker rm --force {{container}}; {UP}\n# if it stays so, take what a compose file of your own says about its "
        "environment and its volumes out again",
    ),
    Cause(
        "sign-in-refused",
        "The chat, or Open WebUI, says that name or password is wrong.",
        "The page answers, but does not let the probe's own account in, or do anything; a restart makes that good.",
        "docker restart {container}",
    ),
    Cause(
        "webui-locked-out",
        "Open WebUI is well; only the probe's account may not sign in for some minutes.",
        "The page refuses the probe's sign-in with 429: there were too many, and only waiting helps.",
        "sleep {seconds}; python3 scripts/probe.py --only answer",
    ),
    Cause(
        "webui-stored-settings-win",
        "Open WebUI shows no model, or says that it can't connect.",
        "All else is well, but the connection that Open WebUI has stored leads elsewhere, is switched off, or has "
        "other models only; a restart puts it right.",
        "docker restart {container}",
    ),
    Cause(
        "webui-wrong-key",
        "Open WebUI shows no model, or says that it can't connect.",
        "All else is well, and the connection that Open WebUI has stored is ours, but its key can't be sent; a restart "
        "puts it right. Any other key does no harm: the gateway brings the token that counts.",
        "docker restart {container}",
    ),
    Cause(
        "webui-model-missing",
        "Open WebUI has no model to choose, or not the one that is loaded.",
        "Foundry Local has the model loaded, and Open WebUI's page does not offer it: it was switched off or hidden "
        "there, or (where only the monitor looks) the connection was changed.",
        "docker restart {container}; python3 scripts/passwords.py show\n# if it stays so, sign in to Open WebUI as its "
        "administrator; in the settings, under Models, switch the model on and show it",
    ),
    Cause(
        "webui-sign-in-hidden",
        "Open WebUI's page has nothing to sign in with.",
        "The page says that its form for e-mail and password is switched off, and there is no other way in.",
        "docker restart {container}",
    ),
    Cause(
        "stream-cut",
        "The answer ends in the middle of a sentence.",
        "Text came, then the stream ended without its proper end.",
        RESTART_FOUNDRY,
    ),
    Cause(
        "stream-error-event",
        "An error stands where the answer should be.",
        "Foundry Local reports an error inside the stream.",
        f"tail -n 30 {{log}}; {RESTART_FOUNDRY}",
    ),
    Cause(
        "context-too-long",
        "Even a short question is too long for the model, says the chat.",
        "Foundry Local counts more tokens than the model takes: the question, what the page tells the model before it, "
        "and what is kept free for the answer. Asked directly, the same question fits.",
        "docker exec {container} printenv MAX_TOKENS SYSTEM_PROMPT\n"
        f"# set a lower MAX_TOKENS or a shorter SYSTEM_PROMPT in .env, or choose a larger MODEL; then: {UP}",
    ),
    Cause(
        "bad-setting",
        "The chat says which of its settings can't be used.",
        "The chat app refuses the value of a knob, and names it.",
        f"docker exec {{container}} printenv TEMPERATURE TOP_P MAX_TOKENS API_KEY\n# correct it in .env; then: {UP}",
    ),
    Cause(
        "model-without-tools",
        "Open WebUI shows an error about tool markers where the answer should be.",
        "Foundry Local refuses the tools that the page offers; asked without them, the model answers.",
        "python3 scripts/foundry.py status\n"
        f"# set OPEN_WEBUI_EXTRAS=false in .env, or a MODEL that knows tools; then: {UP}",
    ),
    Cause(
        "empty-answer",
        "The chat answers with nothing.",
        "The stream ended properly, twice, without one character of text.",
        RESTART_FOUNDRY,
    ),
    Cause(
        "busy",
        "The answer takes long to begin, or does not come in time.",
        "While it was waited for, the model was answering others; with nobody else it would hang or be slow by itself.",
        "sleep 60; python3 scripts/probe.py\n# if it stays busy, choose a smaller MODEL in .env",
    ),
    Cause(
        "slow-first-token",
        "The answer takes long to begin.",
        "Everything works, but the first text took more than ten seconds, and no others were being answered.",
        "python3 scripts/probe.py --only answer\n# if it stays slow, choose a smaller MODEL in .env",
    ),
    Cause(
        "cloud-not-configured",
        "The chat offers no cloud, or says that none is set up, though CLOUD_URL is in .env.",
        "Relay, gateway or chat were started before CLOUD_URL, or its key, became what it is now.",
        UP,
    ),
    Cause(
        "cloud-left-open",
        "Nothing: the chat may still ask a cloud that .env names no more.",
        "CLOUD_URL is empty, and the relay still knows of a cloud.",
        UP,
    ),
    Cause(
        "cloud-not-allowed",
        "The chat says that the way to the cloud is closed for it.",
        "The token that only the chat has is another one in the chat, at the gateway, or at the relay.",
        "python3 scripts/passwords.py rotate cloud-token",
    ),
    Cause(
        "cloud-down",
        "The chat says that the cloud can't be reached; what may be answered here is.",
        "No connection to CLOUD_URL's host comes about, or the cloud answers with an error of its own (5xx).",
        "sleep 60; python3 scripts/probe.py --only network\n"
        f"# if it stays so, is this machine online? Is CLOUD_URL in .env right? Then: {UP}",
    ),
    Cause(
        "cloud-not-trusted",
        "The chat says that the cloud can't prove to be it.",
        "Who answers at CLOUD_URL has no certificate for that name which this machine trusts; nothing was sent.",
        f"{UP}   # after you have corrected CLOUD_URL in .env; where a company's proxy opens TLS, with\n"
        "# SSL_CERT_FILE=/path/to/its/bundle.pem before it",
    ),
    Cause(
        "cloud-hangs",
        "The chat waits for the cloud, and then says that it gives no answer.",
        "By the relay's log the cloud took the last question and said nothing until the time was over.",
        "sleep 60; python3 scripts/probe.py --only network\n"
        f"# if it stays so, choose another CLOUD_MODEL or CLOUD_URL in .env; then: {UP}",
    ),
    Cause(
        "cloud-busy",
        "The chat says that the cloud has been asked too much.",
        "By the relay's log the cloud refused the last question with 429: too many, or the account is used up.",
        "sleep 60; python3 scripts/probe.py --only network\n# if it stays so, look at the quota on the provider's page",
    ),
    Cause(
        "cloud-key-wrong",
        "The chat says that the cloud does not let the key in.",
        "By the relay's log the cloud refused the last question with 401 or 403.",
        f"{UP}   # after you have corrected CLOUD_API_KEY in .env",
    ),
    Cause(
        "cloud-address-wrong",
        "The chat says that there is no model server at the cloud's address, or no such model.",
        "By the relay's log the last question got a web page, a redirection or a 404.",
        f"{UP}   # after you have corrected CLOUD_URL or CLOUD_MODEL in .env",
    ),
    Cause(
        "cloud-refused",
        "The chat says that the cloud refused the question.",
        "By the relay's log the cloud answered the last question with 400 or its like: that question, or its form.",
        "python3 scripts/probe.py --only network\n"
        f"# if others are refused, too, CLOUD_MODEL or CLOUD_API_VERSION in .env is wrong; then: {UP}",
    ),
    Cause(
        "cloud-rests",
        "What would go to the cloud is answered here, or says that the cloud is left alone for a while.",
        "The chat's own counts say so: the cloud failed several times in a row. It is tried again by itself.",
        "docker logs --tail 30 {container}",
    ),
    Cause(
        "unknown",
        "Something else.",
        "No other cause fits; the evidence says what was seen.",
        UP,
    ),
)

CATALOGUE = {cause.id: cause for cause in _CAUSES}


class _Blanks(dict[str, str]):
    """Leaves visible what nobody filled."""

    def __missing__(self, name: str) -> str:
        return name.upper()


def fix(cause: str, **names: str) -> str:
    """The command that mends the cause; its blanks filled with ``names``."""
    return CATALOGUE.get(cause, CATALOGUE["unknown"]).fix.format_map(_Blanks(names))


def fix_in_development(fix: str) -> str:
    """The same command for a stack that runs from its sources, and is to go on doing so."""
    return fix.replace(UP, f"{UP} --dev")
