#!/bin/sh
# A doorbell: rings at every device of a tag, and says who heard it.
#
#   TAGPOST_URL=http://127.0.0.1:8787 TAGPOST_TOKEN=... examples/doorbell.sh hallway
#
# It needs curl and jq. One ring is one message, however often the request has to be repeated: that is what
# the Idempotency-Key is for. A ring that nobody has heard within 30 seconds expires.

set -eu

: "${TAGPOST_URL:?has to be set}" "${TAGPOST_TOKEN:?has to be set}"
tag=${1:?usage: doorbell.sh TAG}
key=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')

# The token goes through a pipe, since arguments can be read by every user of the machine.
answer=$(printf 'header = "Authorization: Bearer %s"\n' "$TAGPOST_TOKEN" | curl --config - \
  --silent --show-error --fail-with-body --retry 5 --retry-connrefused --max-time 30 \
  --header 'Content-Type: application/json' \
  --header 'TTL: 30' --header 'Urgency: high' --header 'Topic: doorbell' \
  --header 'Prefer: wait=10' --header "Idempotency-Key: $key" \
  --data "{\"ring\":true,\"at\":$(date +%s)}" \
  "${TAGPOST_URL%/}/v1/tags/$tag/messages") || { echo "$answer" >&2; exit 1; }

# jq has a limit for arrays in arrays; what it does not read is shown as it came.
echo "$answer" | jq -r '.deliveries[] | "\(.device): \(.state) \(.reply // .reason // "")"' || echo "$answer"

# Somebody heard it? The summary is the last part of the answer.
case ${answer##*'"summary":'} in
  *'"delivered":'*) ;;
  *) exit 1 ;;
esac
