#!/bin/sh
# A doorbell: asks every device of a tag whether to open, and says who answered what.
#
#   TAGPOST_URL=http://127.0.0.1:8787 TAGPOST_TOKEN=... examples/doorbell.sh hallway [SECONDS]
#
# It needs curl and jq. It waits until every device has answered, or for SECONDS (30, at most 50): then the
# question expires. One ring is one message, however often a request has to be repeated: that is what the
# Idempotency-Key is for. The exit code is 0 if somebody answered.

set -eu

: "${TAGPOST_URL:?has to be set}" "${TAGPOST_TOKEN:?has to be set}"
tag=${1:?usage: doorbell.sh TAG [SECONDS]}
seconds=${2:-30}
key=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
question='{"title":"Someone is at the door","actions":[{"id":"open","label":"Open"},{"id":"wait","label":"One moment"}]}'

# The token goes through a pipe, since arguments can be read by every user of the machine.
request() {
  printf 'header = "Authorization: Bearer %s"\n' "$TAGPOST_TOKEN" | curl --config - \
    --silent --show-error --fail-with-body --retry 5 --retry-connrefused --max-time 60 "$@"
}

# A person takes longer than the answer to a publish should: the trace waits for the replies.
answer=$(request --header 'Content-Type: application/json' \
  --header "TTL: $seconds" --header 'Urgency: high' --header 'Topic: doorbell' \
  --header 'Prefer: wait=0' --header "Idempotency-Key: $key" \
  --data "$question" "${TAGPOST_URL%/}/v1/tags/$tag/messages") || { printf '%s\n' "$answer" >&2; exit 1; }
id=$(printf '%s\n' "$answer" | jq -r .id)
answer=$(request "${TAGPOST_URL%/}/v1/messages/$id?wait=$((seconds + 5))") || { printf '%s\n' "$answer" >&2; exit 1; }

# The label of the action that was chosen; a device without a person may have replied something else.
# jq has a limit for arrays in arrays; what it does not read is shown as it came.
printf '%s\n' "$answer" | jq -r --argjson question "$question" '.deliveries[] |
  ((.reply | objects | .action) // null) as $action |
  "\(.device): \(.state) \(first($question.actions[] | select(.id == $action)).label // .reply // .reason // "")"' ||
  printf '%s\n' "$answer"

# Somebody answered? Only the summary has a state as the name of a member.
case ${answer##*'"summary":'} in
  *'"delivered":'*) ;;
  *) exit 1 ;;
esac
