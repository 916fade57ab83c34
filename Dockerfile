# memos_gov for the command line, certifiers and workers: `docker run memos-gov VERB`.
# Two steps, so that the image holds what was installed and nothing that installed it.

FROM python:3.11-slim-bookworm AS installed
RUN python -m venv /opt/memos-gov
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY memos_gov memos_gov
COPY policies policies
COPY schemas schemas
COPY migrations migrations
COPY examples examples
RUN /opt/memos-gov/bin/pip install --no-cache-dir --disable-pip-version-check '.[server]'

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin memos-gov \
    && install --directory --owner=10001 --mode=0700 /data
COPY --from=installed /opt/memos-gov /opt/memos-gov
ENV PATH=/opt/memos-gov/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    XDG_CACHE_HOME=/tmp/cache \
    MEMOS_GOV_DATA=/data/memories
USER 10001
WORKDIR /data
VOLUME /data
ENTRYPOINT ["memos-gov"]
CMD ["--help"]
