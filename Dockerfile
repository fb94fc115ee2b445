# syntax=docker/dockerfile:1
# One image: `serve` (the default) is the API, `worker` works on runs without it, `setup` makes the ledger's tables.
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS packages
WORKDIR /build
COPY requirements.txt requirements-uv.txt ./
# uv stays behind in this stage. What goes on has no pip in it, and no compilers: every package of the list comes as a wheel.
RUN python -m pip install --no-cache-dir --disable-pip-version-check \
        --require-hashes --no-deps --only-binary :all: -r requirements-uv.txt \
    && python -m venv --without-pip /opt/venv \
    && uv pip install --python /opt/venv/bin/python --no-cache --link-mode copy --compile-bytecode \
        --require-hashes --no-deps --only-binary :all: -r requirements.txt \
    && uv pip check --python /opt/venv/bin/python \
    && rm -rf /opt/venv/lib/python3.11/site-packages/pyarrow/include /opt/venv/lib/python3.11/site-packages/pyarrow/tests
COPY src ./src
RUN python -m compileall -q src

FROM ${PYTHON}
ARG VERSION=unknown
LABEL org.opencontainers.image.title="Convergence Data Pipeline" \
    org.opencontainers.image.description="What organisations pay for clouds and language models, for many of them at once" \
    org.opencontainers.image.version="${VERSION}"
# The number is fixed so that a volume's owner and a runAsUser rule can name it.
RUN groupadd --gid 10001 convergence \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /scratch --shell /usr/sbin/nologin convergence \
    && install -d -o 10001 -g 10001 -m 0700 /scratch /data
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY --from=packages /build/src ./src
COPY configs ./configs
COPY deployment/entrypoint.sh ./deployment/entrypoint.sh
COPY setup_bigquery_datasets.py ./
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/scratch \
    TMPDIR=/scratch \
    SCRATCH_DIR=/scratch/bigquery \
    PORT=8080
# /data waits for a volume of embedded stores. Nothing else is written to, so `docker run --read-only --tmpfs /scratch:uid=10001,mode=0700` is enough.
VOLUME /scratch
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/health/live', timeout=4)"]
ENTRYPOINT ["/bin/sh", "/app/deployment/entrypoint.sh"]
CMD ["serve"]
