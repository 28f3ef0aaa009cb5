#!/usr/bin/env python3
"""A device that is an address: takes only what the service has signed, and answers with a reply.

    WEBHOOK_SECRET=whsec_... python3 examples/webhook.py

docs/webhooks.md says how the service gets the address, and you the secret. The standard library is enough.
"""

import base64, hashlib, hmac, json, os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = os.environ.get("WEBHOOK_SECRET", "")
if not SECRET.startswith("whsec_"):
    sys.exit("WEBHOOK_SECRET has to be set")
KEY = base64.b64decode(SECRET.removeprefix("whsec_"))


def verifies(headers, body):
    """Whether the service has signed these bytes, within the last five minutes."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest())
    given = headers.get("webhook-signature", "").encode().split(b" ")
    is_signed = any(hmac.compare_digest(one, expected) for one in given)
    return is_signed and abs(time.time() - int(headers["webhook-timestamp"])) <= 300


class Webhook(BaseHTTPRequestHandler):
    timeout = 30  # seconds in which a request has to come

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not verifies(self.headers, body):
            return self.answer(401, b"")
        print(self.headers["webhook-id"], body, flush=True)
        self.answer(200, json.dumps({"taken": True}).encode())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9000"))), Webhook)
print(f"http://127.0.0.1:{server.server_address[1]}/", flush=True)
server.serve_forever()
