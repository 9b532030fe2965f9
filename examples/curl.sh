#!/usr/bin/env bash
# Runs a script on a Glovebox server with nothing but curl, and prints what became of it.
#
#   bin/glovebox serve &
#   examples/curl.sh [SERVER]       the server is GLOVEBOX_SERVER's, or http://127.0.0.1:8080, where it is not given
#
# A script that ran is 200, whatever became of it. Any other status is a problem document (RFC 9457), which curl
# is told to print, and to fail with: status 22.
set -euo pipefail
server=${1:-${GLOVEBOX_SERVER:-http://127.0.0.1:8080}}

curl --silent --show-error --fail-with-body "$server/v1/executions" \
  --header 'Content-Type: application/json' --data @- <<'JSON'
{
  "code": "const _ = require('lodash'); console.log('rows:', input.length); return _.countBy(input, 'kind')",
  "inputData": [{"kind": "a"}, {"kind": "b"}, {"kind": "a"}],
  "timeoutSeconds": 5
}
JSON
