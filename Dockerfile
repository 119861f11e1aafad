# `tenor serve` as an image: no root, nothing written but the store, which is a volume. compose.yaml runs it.
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE requirements.lock ./
COPY src ./src
RUN python -m venv /opt/tenor \
    && /opt/tenor/bin/pip install --no-cache-dir --constraint requirements.lock ".[serve,live]"

FROM python:3.12-slim
COPY --from=build /opt/tenor /opt/tenor
# what is written beside the store goes to a folder in memory: see compose.yaml
ENV PATH=/opt/tenor/bin:$PATH TENOR_STORE=/store HOME=/tmp XDG_CACHE_HOME=/tmp/cache PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
RUN mkdir /store && chown 65534:65534 /store
USER 65534:65534
VOLUME /store
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["tenor"]
CMD ["serve", "--host", "0.0.0.0"]
