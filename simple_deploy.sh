#!/usr/bin/env bash
# Builds the image and puts it on Cloud Run. What each setting means: deployment/environment.example, docs/howto/deploy.md
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: ./simple_deploy.sh stage|prod [--dry-run] [--grant] [--image IMAGE]

  --dry-run      print the commands, run none of them
  --grant        first make what is missing (APIs, service account, image repository) and give the roles the service needs
  --image IMAGE  deploy this image instead of building one

Settings come from the shell and from deployment/stage.env or deployment/prod.env (copy deployment/environment.example).
TEXT
}

arguments() {
    target='' dry_run=no grant=no image=''
    while [ "$#" -gt 0 ]; do
        case "$1" in
            stage | prod) target=$1 ;;
            --dry-run) dry_run=yes ;;
            --grant) grant=yes ;;
            --image)
                case "${2:-}" in '' | -*) refuse "--image takes the image's full name" "./simple_deploy.sh --help" ;; esac
                image=$2 && shift
                ;;
            -h | --help) usage && exit 0 ;;
            *) usage >&2 && exit 2 ;;
        esac
        shift
    done
    [ -n "$target" ] || { usage >&2 && exit 2; }
}

settle() {
    project=${GCP_PROJECT_ID:-}
    file=deployment/$target.env
    service=convergence-pipeline-$target
    region=${REGION:-us-central1}
    account=${SERVICE_ACCOUNT:-$service@$project.iam.gserviceaccount.com}
    root_key_secret=${ROOT_KEY_SECRET:-$service-root-key}
    ledger=${LEDGER:-bigquery}
    ledger_secret=${LEDGER_URL_SECRET:-$service-ledger-url}
    workers=${WORKERS:-0}
    repository=${REPOSITORY:-convergence}
    environment=staging
    if [ "$target" = prod ]; then environment=production ENABLE_API_DOCS=${ENABLE_API_DOCS:-false}; fi
    : "${ENABLE_API_DOCS:=true}" "${BIGQUERY_LOCATION:=US}" "${TRUSTED_PROXY_HOPS:=1}"
    : "${WORKER_DRAIN_SECONDS:=5}" "${STOP_SECONDS:=4}" # Cloud Run kills ten seconds after it has told
    secrets=CA_ROOT_API_KEY=$root_key_secret:${SECRET_VERSION:-latest}
    if [ "$ledger" = postgresql ]; then secrets=$secrets,LEDGER_URL=$ledger_secret:${SECRET_VERSION:-latest}; fi
    if [ -n "${SMTP_PASSWORD_SECRET:-}" ]; then secrets=$secrets,SMTP_PASSWORD=$SMTP_PASSWORD_SECRET:${SECRET_VERSION:-latest}; fi
    if [ -n "${AWS_KEY_SECRET:-}" ]; then secrets=$secrets,PLATFORM_AWS_SECRET_ACCESS_KEY=$AWS_KEY_SECRET:${SECRET_VERSION:-latest}; fi
}

check_cors() {
    local origin='"https?://[^]["/*?#[:space:]]+"' example="CORS_ORIGINS='[\"https://app.your-domain\"]' in $file"
    if [ "$target" = prod ]; then
        [ -n "${CORS_ORIGINS:-}" ] || refuse "CORS_ORIGINS is not set" "production takes named origins only: $example"
        [[ $CORS_ORIGINS != *'*'* ]] || refuse "CORS_ORIGINS=$CORS_ORIGINS lets every page call" "production takes named origins only: $example"
    else
        [ -n "${CORS_ORIGINS:-}" ] || return 0
        origin="($origin|\"[*]\")"
    fi
    [[ $CORS_ORIGINS =~ ^\[[[:space:]]*$origin([[:space:]]*,[[:space:]]*$origin)*[[:space:]]*\]$ ]] ||
        refuse "CORS_ORIGINS=$CORS_ORIGINS is not a JSON array of origins (scheme://host, no path)" "write it like $example"
    [[ $CORS_ORIGINS != *'//console.example.com"'* ]] || refuse "CORS_ORIGINS still names the origin of deployment/environment.example" "write it like $example"
}

check_numbers() {
    local name
    for name in WORKERS MIN_INSTANCES MAX_INSTANCES CONCURRENCY; do
        [[ ${!name:-0} =~ ^(0|[1-9][0-9]*)$ ]] || refuse "$name=${!name} is not a number" "write digits into $file, or take the line out"
    done
}

check_ledger() {
    local other=deployment/prod.env others others_ledger
    case "$ledger" in
        bigquery) [ "$workers" = 0 ] || refuse "WORKERS=$workers needs LEDGER=postgresql" "on BigQuery runs are worked on by the API itself, when process-queue is called" ;;
        postgresql) [ -n "${CLOUD_SQL_INSTANCE:-}" ] || refuse "CLOUD_SQL_INSTANCE is not set" "LEDGER=postgresql needs it as project:region:instance in $file" ;;
        *) refuse "LEDGER=$ledger is not served on Cloud Run" "LEDGER is bigquery or postgresql in $file" ;;
    esac
    if [ "$target" = prod ]; then other=deployment/stage.env; fi
    others=$(setting_in "$other" GCP_PROJECT_ID)
    others_ledger=$(setting_in "$other" LEDGER)
    if [ "$ledger,${others_ledger:-bigquery},$others" = "bigquery,bigquery,$project" ]; then
        refuse "$other names the project $project too: both environments would keep one ledger, its dataset organizations" \
            "a project for each environment, or LEDGER=postgresql with an instance for each: docs/howto/deploy.md"
    fi
}

check_settings() {
    check_project "$file"
    [[ ${KMS_KEY_NAME:-} =~ ^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$ ]] ||
        refuse "KMS_KEY_NAME does not name a key" "write it as projects/P/locations/L/keyRings/R/cryptoKeys/K into $file; docs/howto/keep-keys.md makes one"
    if [ "$target" = prod ] && [ "${RATE_LIMIT_ENABLED:-true}" != true ]; then
        refuse "RATE_LIMIT_ENABLED=$RATE_LIMIT_ENABLED is refused in production" "unset it, in the shell and in $file"
    fi
    check_cors
    check_numbers
    check_ledger
}

check_tools() {
    [ "$dry_run" = no ] || return 0
    command -v gcloud >/dev/null || refuse "gcloud is not there" "install the Google Cloud CLI, then: gcloud auth login"
    [ -n "$(gcloud auth list --filter=status:ACTIVE '--format=value(account)')" ] || refuse "gcloud is not logged in" "gcloud auth login"
    gcloud projects describe "$project" '--format=value(projectNumber)' >/dev/null ||
        refuse "the project $project is not there, or is not yours to see" "mend GCP_PROJECT_ID, or ask for roles/viewer on it"
}

check_secret() { # NAME WHAT
    local said state='cannot be looked at in' mend='mend what gcloud says'
    [ "$dry_run" = no ] || return 0
    if said=$(gcloud secrets describe "$1" "--project=$project" --quiet --format='value(name)' 2>&1); then return; fi
    case "$said" in
        *NOT_FOUND*) state='is not in' mend='docs/howto/deploy.md#secrets says how to store it without showing it' ;;
        *'not been used'* | *'not enabled'* | *SERVICE_DISABLED*) mend="gcloud services enable secretmanager.googleapis.com --project=$project" ;;
        *PERMISSION_DENIED*) mend='looking takes roles/secretmanager.viewer on the project' ;;
    esac
    refuse "the secret $1 ($2) $state Secret Manager of $project" "$mend"$'\n  gcloud said: '"$said"
}

run() {
    printf '+'
    printf ' %q' "$@"
    printf '\n'
    if [ "$dry_run" = no ]; then "$@"; fi
}

make_missing() { # KIND NAME ARGUMENTS...: `gcloud KIND create NAME` unless `gcloud KIND describe NAME` finds it
    local kind=$1 name=$2 place=()
    shift 2
    if [ "$kind" = "artifacts repositories" ]; then place=("--location=$region"); fi
    # shellcheck disable=SC2086 # a kind is a group and a subgroup of gcloud
    if [ "$dry_run" = no ] && gcloud $kind describe "${3:-$name}" ${place[0]+"${place[@]}"} "--project=$project" >/dev/null 2>&1; then return; fi
    # shellcheck disable=SC2086
    run gcloud $kind create "$name" ${place[0]+"${place[@]}"} "$1" "$2" "--project=$project"
}

grant_project_role() {
    run gcloud projects add-iam-policy-binding "$project" "--member=serviceAccount:$account" "--role=$1" --condition=None --format=none
}

grant_secret() {
    run gcloud secrets add-iam-policy-binding "$1" "--project=$project" "--member=serviceAccount:$account" \
        --role=roles/secretmanager.secretAccessor --format=none
}

grant_all() {
    local role apis=(run artifactregistry cloudbuild secretmanager bigquery bigquerystorage cloudkms iamcredentials cloudscheduler cloudresourcemanager)
    if [ "$ledger" = postgresql ]; then apis+=(sqladmin); fi
    run gcloud services enable "${apis[@]/%/.googleapis.com}" "--project=$project"
    make_missing "artifacts repositories" "$repository" --repository-format=docker '--description=Convergence Data Pipeline'
    if [ -z "${SERVICE_ACCOUNT:-}" ]; then
        make_missing "iam service-accounts" "$service" "--display-name=$service" --format=none "$account"
    fi
    # it owns the datasets it makes; one that somebody else made needs roles/bigquery.dataEditor on it
    for role in jobUser user readSessionUser; do grant_project_role "roles/bigquery.$role"; done
    if [ "$ledger" = postgresql ]; then
        grant_project_role roles/cloudsql.client
        grant_secret "$ledger_secret"
    fi
    grant_secret "$root_key_secret"
    if [ -n "${SMTP_PASSWORD_SECRET:-}" ]; then grant_secret "$SMTP_PASSWORD_SECRET"; fi
    if [ -n "${AWS_KEY_SECRET:-}" ]; then grant_secret "$AWS_KEY_SECRET"; fi
    run gcloud kms keys add-iam-policy-binding "$KMS_KEY_NAME" "--member=serviceAccount:$account" \
        --role=roles/cloudkms.cryptoKeyEncrypterDecrypter --format=none
}

build() {
    local tag
    [ -z "$image" ] || return 0
    tag=$(date -u +%Y%m%d-%H%M%S)-$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
    image=$region-docker.pkg.dev/$project/$repository/convergence-pipeline:$tag
    run gcloud builds submit . --config=deployment/cloudbuild.yaml "--project=$project" \
        "--substitutions=_REGION=$region,_REPOSITORY=$repository,_TAG=$tag"
}

setting() { # NAME VALUE: one line of YAML, nothing for an empty value
    if [ -n "$2" ]; then printf "%s: '%s'\n" "$1" "${2//\'/\'\'}"; fi
}

write_environment() { # WORKER_ENABLED
    local name
    setting ENVIRONMENT "$environment"
    setting WAREHOUSE bigquery
    setting WORKER_ENABLED "$1"
    for name in "${passed_on[@]}"; do setting "$name" "${!name:-}"; done
}

deploy_setup() {
    run gcloud run jobs deploy "$service-setup" "${placed[@]}" --args=setup --max-retries=0 --task-timeout=600 --cpu=1 --memory=1Gi
    run gcloud run jobs execute "$service-setup" "--project=$project" "--region=$region" --wait
}

deploy_service() { # NAME ARGUMENTS...
    run gcloud run deploy "$1" "${placed[@]}" --port=8080 --no-cpu-throttling --cpu-boost --execution-environment=gen2 \
        "--cpu=${CPU:-2}" "--memory=${MEMORY:-4Gi}" --timeout=900 \
        --startup-probe=httpGet.path=/health/live,httpGet.port=8080,periodSeconds=2,timeoutSeconds=2,failureThreshold=30 \
        --liveness-probe=httpGet.path=/health/live,httpGet.port=8080,periodSeconds=15,timeoutSeconds=5,failureThreshold=3 "${@:2}"
}

deploy_api() {
    deploy_service "$service" --args=serve "--min-instances=${MIN_INSTANCES:-1}" "--max-instances=${MAX_INSTANCES:-4}" \
        "--concurrency=${CONCURRENCY:-80}" "--ingress=${INGRESS:-all}" --allow-unauthenticated
}

remove_workers() { # those of a deployment before
    local found=$service-worker
    if [ "$dry_run" = yes ]; then
        echo "# where $service-worker is there:"
    else
        found=$(gcloud run services list "--project=$project" "--region=$region" "--filter=metadata.name=$service-worker" '--format=value(metadata.name)')
    fi
    [ -z "$found" ] || run gcloud run services delete "$service-worker" "--project=$project" "--region=$region" --quiet
}

deploy_workers() {
    if [ "$workers" = 0 ]; then
        remove_workers
        return
    fi
    write_environment true >"$environment_file"
    deploy_service "$service-worker" --args=worker "--min-instances=$workers" "--max-instances=$workers" --ingress=internal --no-allow-unauthenticated
}

deploy() {
    environment_file=$(mktemp)
    trap 'rm -f "$environment_file"' EXIT
    placed=("--project=$project" "--region=$region" "--image=$image" "--service-account=$account" "--set-secrets=$secrets"
        "--env-vars-file=$environment_file" "--labels=service=convergence-pipeline,environment=$target" --quiet)
    if [ "$ledger" = postgresql ]; then placed+=("--set-cloudsql-instances=$CLOUD_SQL_INSTANCE"); fi
    write_environment "$([ "$workers" = 0 ] && echo true || echo false)" >"$environment_file"
    if [ "$dry_run" = yes ]; then sed "s/^/# env: /" "$environment_file"; fi
    deploy_setup
    deploy_api
    deploy_workers
}

report() {
    if [ "$dry_run" = yes ]; then
        echo "Nothing was run."
        return
    fi
    local address
    address=$(gcloud run services describe "$service" "--project=$project" "--region=$region" '--format=value(status.url)')
    printf '\n%s serves at %s\nLook at it: BASE_URL=%s ./simple_test.sh %s\nOnce: deployment/scheduler_jobs.sh %s\n' \
        "$service" "$address" "$address" "$target" "$target"
}

cd "$(dirname "$0")"
# shellcheck source=deployment/settings.sh
. deployment/settings.sh
arguments "$@"
read_settings "deployment/$target.env"
settle
check_settings
check_tools
check_secret "$root_key_secret" "the root key"
if [ "$ledger" = postgresql ]; then check_secret "$ledger_secret" "the URL of the ledger"; fi
if [ -n "${SMTP_PASSWORD_SECRET:-}" ]; then check_secret "$SMTP_PASSWORD_SECRET" "the password of SMTP_USERNAME"; fi
if [ -n "${AWS_KEY_SECRET:-}" ]; then check_secret "$AWS_KEY_SECRET" "the secret of PLATFORM_AWS_ACCESS_KEY_ID"; fi
if [ "$grant" = yes ]; then grant_all; fi
build
deploy
report
