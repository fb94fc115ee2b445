#!/bin/sh
# Asks a running service whether it is well, and whether it is closed to whoever has no key.
# With CA_ROOT_API_KEY set, a call with that key is made too; it goes to curl over a pipe, never onto a command line.
set -u

usage() {
    echo "usage: ./simple_test.sh stage|prod|local      BASE_URL=https://... names another address" >&2
    exit 2
}

[ "$#" -eq 1 ] || usage
case "$1" in
    stage) address=https://convergence-pipeline-stage-526075321773.us-central1.run.app environment=staging ;;
    prod) address=https://convergence-pipeline-prod-820784027009.us-central1.run.app environment=production ;;
    local) address=http://localhost:8000 environment=development ;;
    *) usage ;;
esac
address=${BASE_URL:-$address}
address=${address%/}
command -v curl >/dev/null || { echo "curl is not there; install it, then run this again" >&2; exit 2; }

body=$(mktemp) headers=$(mktemp)
trap 'rm -f "$body" "$headers"' EXIT
failed=0

ask() { # METHOD PATH [CURL ARGUMENTS...]: sets status, fills $body and $headers
    method=$1 path=$2
    shift 2
    status=$(curl --silent --show-error --max-time 30 --request "$method" --output "$body" --dump-header "$headers" \
        --write-out '%{http_code}' "$@" "$address$path" 2>"$body.error") || status="no answer: $(cat "$body.error")"
    rm -f "$body.error"
}

good() { printf 'ok    %s\n' "$1"; }
note() { printf 'note  %s\n' "$1"; }
bad() { # WHAT MEND
    printf 'FAIL  %s\n      %s\n' "$1" "$2"
    failed=$((failed + 1))
}

holds() { grep -Eq "$1" "$body"; }
told() { head -c 600 "$body" | tr '\n' ' '; }

echo "$1: $address"

ask GET /health
if [ "$status" != 200 ]; then
    bad "GET /health: $status" "nothing else is asked; see that the service runs and that the address is right (BASE_URL)"
    exit 1
fi
if holds '"status": ?"healthy"' && holds "\"environment\": ?\"$environment\""; then
    good "it answers, version $(sed -n 's/.*"version": *"\([^"]*\)".*/\1/p' "$body"), environment $environment"
else
    bad "GET /health: $(told)" "expected is a healthy service whose ENVIRONMENT is $environment"
fi

ask_ready() { # what just started, or lost its ledger for a moment, gets two more chances
    for pause in 0 2 2; do
        sleep "$pause"
        ask GET /health/ready
        if [ "$status" = 200 ] || holds 'not bootstrapped'; then return; fi
    done
}

ask_ready
if [ "$status" = 200 ] && holds '"status": ?"ready"'; then
    good "it is ready: ledger, bootstrap, vault and warehouse"
elif holds 'not bootstrapped'; then
    bad "it is not bootstrapped" "run setup_bigquery_datasets.py where it runs, or POST /api/v1/admin/bootstrap with the root key"
else
    bad "GET /health/ready: $status $(told)" "mend what it names"
fi

wrong=simple_test_api_0000000000000000
ask GET /api/v1/whoami --header "X-API-Key: $wrong"
if [ "$status" = 401 ] && holds '"request_id"'; then
    good "a wrong organisation key is refused"
elif [ "$status" = 503 ]; then
    note "a wrong organisation key got 503: keys cannot be looked up before what is named above is mended"
else
    bad "a wrong key got $status: $(told)" "expected is 401 as problem+json; is DISABLE_AUTH set?"
fi

ask GET /api/v1/organizations
if [ "$status" = 401 ]; then good "no key is refused"; else bad "no key got $status" "expected is 401; is DISABLE_AUTH set?"; fi

ask POST /api/v1/admin/bootstrap --header "X-CA-Root-Key: $wrong" --header 'Content-Type: application/json' --data '{}'
if [ "$status" = 401 ]; then good "a wrong root key is refused"; else bad "a wrong root key got $status" "expected is 401; is DISABLE_AUTH set?"; fi

ask GET /openapi.json
case "$status" in
    200) if [ "$1" = prod ]; then note "the API's documentation is open to anyone; ENABLE_API_DOCS=false closes it"; else good "the API's documentation is served"; fi ;;
    404) good "the API's documentation is closed" ;;
    *) bad "GET /openapi.json: $status" "expected is 200, or 404 where ENABLE_API_DOCS=false" ;;
esac

case "$address" in
    https://*)
        ask GET /health
        if grep -iq '^strict-transport-security:' "$headers"; then good "it tells browsers to stay with https"; else bad "it sends no Strict-Transport-Security" "see that ENVIRONMENT is not development"; fi
        ;;
esac

if [ -n "${CA_ROOT_API_KEY:-}" ]; then
    status=$(printf 'header = "X-CA-Root-Key: %s"\n' "$(printf %s "$CA_ROOT_API_KEY" | sed 's/[\\"]/\\&/g')" |
        curl --silent --max-time 30 --config - --output "$body" --write-out '%{http_code}' "$address/api/v1/organizations?limit=1")
    if [ "$status" = 200 ]; then good "the root key lists organisations"; else bad "the root key got $status: $(told)" "is it the CA_ROOT_API_KEY of this service?"; fi
else
    note "CA_ROOT_API_KEY is not set here: no call with a key was made"
fi

if [ "$failed" -gt 0 ]; then
    echo "$failed failed"
    exit 1
fi
echo "all is well"
