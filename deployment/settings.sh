# shellcheck shell=bash
# The settings of a deployment, for simple_deploy.sh and scheduler_jobs.sh, which source this from the root of the checkout.

# What the scripts themselves go by.
of_scripts=(
    REGION REPOSITORY SERVICE_ACCOUNT ROOT_KEY_SECRET SECRET_VERSION LEDGER LEDGER_URL_SECRET SMTP_PASSWORD_SECRET AWS_KEY_SECRET
    CLOUD_SQL_INSTANCE MIN_INSTANCES MAX_INSTANCES CONCURRENCY CPU MEMORY INGRESS WORKERS SERVICE_URL TIME_ZONE
)
# What the service is given as it is: docs/reference/configuration.md.
passed_on=(
    GCP_PROJECT_ID BIGQUERY_LOCATION BIGQUERY_MAXIMUM_BYTES_BILLED BIGQUERY_JOB_SECONDS ORG_SERVICE_ACCOUNT KMS_KEY_NAME
    PLATFORM_BIGQUERY_URL PLATFORM_BIGQUERY_STORAGE_URL KMS_URL GCP_TOKEN_URL BIGQUERY_URL BIGQUERY_STORAGE_URL
    PROVIDER_URLS PROVIDER_TIMEOUT_SECONDS PROVIDER_CALL_THREADS
    S3_URL STS_URL GCS_URL AZURE_BLOB_URL OBJECT_TIMEOUT_SECONDS PLATFORM_AWS_ACCESS_KEY_ID
    BILL_RULE RECONCILIATION_WARN_SHARE RECONCILIATION_HOLD_SHARE RECONCILIATION_LEAST_AMOUNT
    SMTP_HOST SMTP_PORT SMTP_SECURITY SMTP_USERNAME SMTP_FROM SMTP_TIMEOUT_SECONDS NOTIFY_TIMEOUT_SECONDS NOTIFY_INSIDE_HOSTS PUBLIC_URL
    LEDGER_CONNECTIONS WORKER_SLOTS WORKER_LEASE_SECONDS WORKER_POLL_SECONDS WORKER_TAKEOVERS WORKER_DRAIN_SECONDS
    SCHEDULER_ENABLED AUDIT_RETENTION_DAYS
    CORS_ORIGINS ENABLE_API_DOCS MAX_BODY_BYTES MAX_CONNECTIONS HEADER_SECONDS BODY_SECONDS STOP_SECONDS TRUSTED_PROXY_HOPS
    RATE_LIMIT_ENABLED RATE_LIMIT_ORG_PER_MINUTE RATE_LIMIT_ROOT_PER_MINUTE RATE_LIMIT_ANONYMOUS_PER_MINUTE AUTH_CACHE_SECONDS KEY_GRACE_HOURS
    LOG_LEVEL LOG_FORMAT
)
# What the service is given by the scripts, or by the image.
made_here=(ENVIRONMENT WAREHOUSE WORKER_ENABLED SCRATCH_DIR CONFIGS_DIR)
# What does not work in a container of Cloud Run: its disk is memory and forgets, and its account needs no key file.
not_on_cloud_run=(
    DISABLE_AUTH SANDBOX SANDBOX_ROWS_PER_HOUR EMBEDDED_DATA_DIR LOCAL_KEYRING GOOGLE_APPLICATION_CREDENTIALS
    DUCKDB_MEMORY_LIMIT DUCKDB_THREADS DUCKDB_MAX_OPEN SMTP_CA_FILE OBJECT_FOLDER
)
in_secret_manager=(CA_ROOT_API_KEY ADMIN_API_KEY LEDGER_URL SMTP_PASSWORD PLATFORM_AWS_SECRET_ACCESS_KEY)

refuse() { # WHAT MEND
    printf '%s\n  %s\n' "$1" "$2" >&2
    exit 2
}

one_of() { # NAME NAMES...
    local name=$1 each
    shift
    for each in "$@"; do
        if [ "$each" = "$name" ]; then return 0; fi
    done
    return 1
}

check_name() { # FILE NAME
    if one_of "$2" "${of_scripts[@]}" "${passed_on[@]}"; then return; fi
    if one_of "$2" "${in_secret_manager[@]}"; then refuse "$1 holds $2" "secrets belong into Secret Manager: docs/howto/deploy.md"; fi
    if one_of "$2" "${made_here[@]}"; then refuse "$1 sets $2, which is not for it to say" "take the line out; simple_deploy.sh and the image set it"; fi
    if one_of "$2" "${not_on_cloud_run[@]}"; then refuse "$1 sets $2, which cannot be used on Cloud Run" "take the line out"; fi
    refuse "$1 sets $2, which nothing reads" "the names are in deployment/environment.example and docs/reference/configuration.md"
}

read_settings() { # FILE: what the shell has set already stays
    local file=$1 line name value
    [ -f "$1" ] || return 0
    while IFS= read -r line || [ -n "$line" ]; do
        [[ $line =~ ^[[:space:]]*(#|$) ]] && continue
        [[ $line =~ ^([A-Z_]+)=(.*)$ ]] || refuse "$1 has a line that is not NAME=value: $line" "see deployment/environment.example"
        name=${BASH_REMATCH[1]} value=${BASH_REMATCH[2]}
        if [[ $value =~ ^\'(.*)\'$ || $value =~ ^\"(.*)\"$ ]]; then value=${BASH_REMATCH[1]}; fi
        check_name "$file" "$name"
        [ -n "${!name:-}" ] || printf -v "$name" '%s' "$value"
    done <"$1"
}

setting_in() { # FILE NAME: what that file says, whatever the shell has set
    (
        unset "${of_scripts[@]}" "${passed_on[@]}"
        read_settings "$1"
        printf '%s' "${!2:-}"
    )
}

check_project() { # FILE: the project is set, and nothing is left of the example
    local name
    [ -n "${GCP_PROJECT_ID:-}" ] || refuse "GCP_PROJECT_ID is not set" "export it, or write it into $1"
    for name in GCP_PROJECT_ID KMS_KEY_NAME SERVICE_ACCOUNT CLOUD_SQL_INSTANCE ORG_SERVICE_ACCOUNT; do
        if [[ ${!name:-} =~ (^|[/@])my-project([/:.]|$) ]]; then
            refuse "$name still names my-project, as deployment/environment.example does" "write your own project into $1"
        fi
    done
}
