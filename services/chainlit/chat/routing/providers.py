"""The cloud, as it is set: any OpenAI-compatible endpoint, or Azure OpenAI by either of its addresses.

Settings (`chat.settings`), all without a default: CLOUD_URL, CLOUD_MODEL, CLOUD_API_KEY, CLOUD_API_VERSION.

* ``CLOUD_URL=https://api.example.com/v1``: bearer key; so is Azure's ``https://NAME.openai.azure.com/openai/v1``.
* ``CLOUD_URL=https://NAME.openai.azure.com`` with CLOUD_API_VERSION: the deployments address, ``api-key`` header;
  CLOUD_MODEL is the deployment. The address may also be pasted whole, as Azure's portal shows it
  (``.../openai/deployments/NAME/chat/completions?api-version=...``).
* In the stack: ``http://host.docker.internal:51211/cloud/v1``, with the token of the file ``cloud-token`` in
  SECRETS_FOLDER as bearer key where there is no CLOUD_API_KEY. The relay adds the real key.

Nothing but ``POST {address}/chat/completions`` is ever asked.
"""

from __future__ import annotations

from chat.server import Server
from chat.settings import Settings


class Provider:
    """Who is asked in the cloud.

    Attributes:
        server: as for the local model.
        model: CLOUD_MODEL.
        host: what the user is told, and what the audit log holds; without the key.
    """

    server: Server
    model: str
    host: str


def cloud(settings: Settings) -> Provider | None:
    """None where no CLOUD_URL is set.

    Raises:
        Problem: ``bad-setting``.
    """
    raise NotImplementedError
