# The Meltano project:  docker build --tag adtech-taps .
#     docker run --env-file .env --volume adtech-output:/app/output adtech-taps run tap-ispot target-duckdb
# One tap:  docker build --target tap --build-arg TAP=tap-ispot --tag tap-ispot .
#     docker run --user "$(id -u)" --volume "$PWD/config.json:/config.json:ro" tap-ispot --config /config.json --discover
# Dagster's service and workers (docs/orchestration-machines.md):
#     docker build --target orchestration --tag adtech-orchestration .
# Built from a clean checkout: .dockerignore leaves out settings, tables and environments.
FROM python:3.11-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --uid 10001 --create-home adtech \
    && install --directory --owner=adtech /app /app/output
WORKDIR /app

FROM base AS build
ARG TAP
WORKDIR /source
COPY . .
# The pins of pyproject.toml apply.
RUN pip install uv==0.13.9 \
    && uv venv /opt/tap \
    && uv pip install --no-sources --python /opt/tap --group pins \
        ./singer-adtech "./${TAP:?--build-arg TAP=tap-ispot is needed}" \
    && ln --symbolic "${TAP}" /opt/tap/bin/tap

FROM base AS tap
COPY --from=build /opt/tap /opt/tap
USER 10001
ENTRYPOINT ["/opt/tap/bin/tap"]

FROM base AS installed
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make tini \
    && rm --recursive --force /var/lib/apt/lists/*
USER 10001
COPY --chown=10001 . .
RUN make setup && rm --recursive --force /home/adtech/.cache
ENV MELTANO_PROJECT_ROOT=/app

FROM installed AS orchestration
RUN make orchestration-machines \
    && .venv/bin/python scripts/install_plugins.py target-postgres meltano-map-transformer dbt-postgres \
    && mkdir --parents dagster-home output/budgets \
    && cp orchestration/machines/dagster.yaml dagster-home/ \
    && rm --recursive --force /home/adtech/.cache
ENV PATH="/app/.venvs/orchestration/bin:${PATH}" \
    DAGSTER_HOME=/app/dagster-home \
    ORCHESTRATION_LOADER=target-postgres
# tini forwards SIGTERM, and ends processes whose parent has died.
ENTRYPOINT ["tini", "--"]
CMD ["celery", "--app", "adtech_orchestration.machines", "worker", "--concurrency", "2"]

FROM installed AS project
# The bookmarks are in the volume too: a container's own files end with its run.
ENV PATH="/app/.venv/bin:${PATH}" MELTANO_DATABASE_URI=sqlite:////app/output/meltano.db
# tini forwards SIGTERM.
ENTRYPOINT ["tini", "--", "meltano"]
CMD ["--help"]
