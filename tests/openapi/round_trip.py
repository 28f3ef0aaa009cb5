"""A round trip with the client that openapi-python-client generates, run beside it."""

import json
import sys

from generated import AuthenticatedClient
from generated.api.devices import put_device
from generated.api.messages import get_message, publish_to_tag
from generated.api.receiving import ack_message, take_inbox
from generated.api.tags import bind
from generated.models import Ack, Grant

url, admin_key = sys.argv[1:]


def client(token: str) -> AuthenticatedClient:
    return AuthenticatedClient(base_url=url, token=token, raise_on_unexpected_status=True)


admin = client(admin_key)
doorbell, camera = (
    client(put_device.sync(device, client=admin, body=Grant(expires_in=600)).token)
    for device in ("py-doorbell", "py-camera")
)
bind.sync("py-hallway", "py-camera", client=admin)

for body in ({"ring": True}, [1, "two"]):
    published = publish_to_tag.sync("py-hallway", client=doorbell, body=body, ttl=600, prefer="wait=0")
    [message] = take_inbox.sync(client=camera, wait=10).messages
    ack_message.sync(message.id, client=camera, body=Ack(reply={"opened": True}))
    [delivery] = get_message.sync(published.id, client=doorbell, wait=10).deliveries
    shown = {"content_type": message.content_type, "payload": message.payload}
    print(json.dumps({**shown, "state": delivery.state, "reply": delivery.reply}))
