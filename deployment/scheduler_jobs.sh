#!/usr/bin/env bash
# Makes the three Cloud Scheduler jobs, or brings them up to date. The root key goes from Secret Manager into files of
# this user alone and from there to Cloud Scheduler, never onto a command line.
set -euo pipefail

usage() {
    echo "usage: deployment/scheduler_jobs.sh stage|prod [--dry-run]" >&2
    echo "  reads GCP_PROJECT_ID, REGION (us-central1), SERVICE_URL (asked of Cloud Run when unset), ROOT_KEY_SECRET, SECRET_VERSION" >&2
    echo "  and TIME_ZONE (UTC) from the shell and from deployment/stage.env or deployment/prod.env" >&2
    exit 2
}

case "${1:-}" in stage | prod) target=$1 ;; *) usage ;; esac
dry_run=no
case "${2:-}" in '') ;; --dry-run) dry_run=yes ;; *) usage ;; esac
[ "$#" -le 2 ] || usage

cd "$(dirname "$0")/.."
# shellcheck source=deployment/settings.sh
. deployment/settings.sh
read_settings "deployment/$target.env"
check_project "deployment/$target.env"
service=convergence-pipeline-$target
project=$GCP_PROJECT_ID
region=${REGION:-us-central1}
secret=${ROOT_KEY_SECRET:-$service-root-key}
address=${SERVICE_URL:-}

flags=$(mktemp -d)
trap 'rm -rf "$flags"' EXIT

if [ "$dry_run" = no ]; then
    command -v gcloud >/dev/null || refuse "gcloud is not there" "install the Google Cloud CLI, then: gcloud auth login"
    if [ -z "$address" ]; then
        address=$(gcloud run services describe "$service" "--project=$project" "--region=$region" '--format=value(status.url)')
    fi
    key=$(gcloud secrets versions access "${SECRET_VERSION:-latest}" "--secret=$secret" "--project=$project")
    for verb in create update; do
        heading=--headers
        if [ "$verb" = update ]; then heading=--update-headers; fi
        printf "%s:\n  X-CA-Root-Key: '%s'\n  X-User-ID: cloud-scheduler\n" "$heading" "${key//\'/\'\'}" >"$flags/$verb"
    done
else
    address=${address:-https://$service.example}
    echo "# --flags-file holds the headers X-CA-Root-Key (from the secret $secret) and X-User-ID"
fi

job() { # NAME SCHEDULE PATH SECONDS
    local verb=create
    if [ "$dry_run" = no ] && gcloud scheduler jobs describe "$service-$1" "--project=$project" "--location=$region" --quiet >/dev/null 2>&1; then
        verb=update
    fi
    local command=(gcloud scheduler jobs "$verb" http "$service-$1" "--project=$project" "--location=$region" "--schedule=$2"
        "--uri=$address$3" --http-method=POST "--time-zone=${TIME_ZONE:-UTC}" "--attempt-deadline=$4s" --max-retry-attempts=3
        "--flags-file=$flags/$verb")
    printf '+'
    printf ' %q' "${command[@]}"
    printf '\n'
    if [ "$dry_run" = no ]; then "${command[@]}" >/dev/null; fi # what it answers holds the key
}

job trigger '0 * * * *' /api/v1/scheduler/trigger 320
job process-queue '*/5 * * * *' /api/v1/scheduler/process-queue 320
job reset-daily-quotas '0 0 * * *' /api/v1/scheduler/reset-daily-quotas 320
