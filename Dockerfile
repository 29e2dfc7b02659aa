# One image for every command: `docker run floorwalker worker`, `... api` (the default), `... topics create`.
# It needs no writable file system except for FLOORWALKER_DATA_DIR (a volume or a tmpfs) and /tmp.
ARG PYTHON_TAG=3.11.14-slim-bookworm

FROM python:${PYTHON_TAG} AS build
WORKDIR /source
# compiles the hot part of the domain (setup.py)
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/floorwalker
# what is locked changes less often than the sources: a layer of its own
COPY pyproject.toml requirements.lock README.md LICENSE ./
RUN mkdir service streams api floorwalker_client \
    && /opt/floorwalker/bin/pip install --no-cache-dir --constraint requirements.lock . \
    && /opt/floorwalker/bin/pip uninstall --yes floorwalker
COPY setup.py ./
COPY service service
COPY streams streams
COPY api api
COPY floorwalker_client floorwalker_client
RUN /opt/floorwalker/bin/pip install --no-cache-dir --no-deps .

FROM python:${PYTHON_TAG}
RUN groupadd --gid 10001 floorwalker \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/floorwalker --shell /usr/sbin/nologin floorwalker \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/floorwalker
COPY --from=build /opt/floorwalker /opt/floorwalker
ENV PATH=/opt/floorwalker/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FLOORWALKER_DATA_DIR=/var/lib/floorwalker \
    FLOORWALKER_HOST=0.0.0.0
USER 10001:10001
VOLUME /var/lib/floorwalker
EXPOSE 8080
# of the API; a worker says how it is on its metrics port (deploy/compose.yaml)
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('FLOORWALKER_PORT', '8080') + '/healthz', timeout=2)"]
ENTRYPOINT ["floorwalker"]
CMD ["api"]
