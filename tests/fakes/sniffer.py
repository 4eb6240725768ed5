"""Prints, as one JSON object a line, every name that is asked for and every connection that is opened in its network.

Standard library only: the tests run it as root in a container whose network the watched one shares, from its start.
"""

import json
import socket
import struct


def watch() -> None:
    """Go on until ended."""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))
    print(json.dumps({"watching": True}), flush=True)
    while True:
        packet, _ = wire.recvfrom(65535)
        if seen := _judge(packet):
            print(json.dumps(seen), flush=True)


def _judge(packet: bytes) -> dict[str, object] | None:
    version = packet[0] >> 4 if packet else 0
    if version == 6 and packet[6] in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):  # the rest is the kernel's own
        return {"ipv6": socket.inet_ntop(socket.AF_INET6, packet[24:40])}
    if version != 4:
        return None
    size = (packet[0] & 15) * 4
    source, target = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
    from_port, to_port = struct.unpack("!HH", packet[size : size + 4])
    if packet[9] == socket.IPPROTO_TCP and packet[size + 13] & 0x12 == 0x02:  # SYN without ACK
        return {"connect": f"{target}:{to_port}", "from": source}
    if packet[9] == socket.IPPROTO_UDP:
        payload = packet[size + 8 :]
        if target.startswith("127.") and len(payload) > 12 and not payload[2] & 0x80:  # a question, no answer
            return {"name": _name(payload)}
        if not target.startswith("127.") and not source.startswith("127."):
            return {"datagram": f"{target}:{to_port}", "from": f"{source}:{from_port}"}
    return None


def _name(question: bytes) -> str:
    labels, at = [], 12
    while at < len(question) and (length := question[at]):
        labels.append(question[at + 1 : at + 1 + length].decode(errors="replace"))
        at += length + 1
    return ".".join(labels)


if __name__ == "__main__":
    watch()
