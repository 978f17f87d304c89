# One file for every image of ugclab; none of them was built where this was written (docs/deploy.md says what was run).
#
#   docker build --target page -t ugclab-page .              the page, or the HTTP server (UGCLAB_MODE=page|serve)
#   docker build --target worker -t ugclab-worker .          a worker of the queue
#   docker build --target serverless -t ugclab-serverless .  Runpod: serverless, or a Pod (UGCLAB_MODE=serverless|serve)
#
#   --build-arg VARIANT=gpu         torch, diffusers and onnxruntime of CUDA: their wheels bring CUDA, so the base stays slim
#   --build-arg WEIGHTS=mesh        engines or checkpoints, with spaces, whose model files go into the image; none: the
#                                   first job fetches them, or a volume at /models has them
#   --build-arg ACCEPT_LICENCE=yes  you accept the licences of those that ask for it (ugclab models list)
#
# Gradio and runpod want different tomlkits: page and serverless have environments of their own, pinned apart.
ARG PYTHON=python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d

FROM ${PYTHON} AS base
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
ENV PATH=/opt/venv/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1

# Our own wheel, built by pinned tools.
FROM base AS wheel
WORKDIR /src
COPY constraints constraints
RUN pip install --no-cache-dir --requirement constraints/build.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY ugclab ugclab
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

# What each image needs, without our own code: that layer stays as it is while only code changes.
FROM base AS needs
WORKDIR /src
ARG VARIANT=cpu
COPY pyproject.toml ./
COPY constraints constraints
COPY deploy/docker/needs.py deploy/docker/needs.py
RUN python deploy/docker/needs.py "$VARIANT" && python -m venv /opt/venv

FROM needs AS needs-page
RUN pip install --no-cache-dir --requirement page.txt

FROM needs AS needs-worker
RUN pip install --no-cache-dir --requirement worker.txt

FROM needs AS needs-serverless
RUN pip install --no-cache-dir --requirement serverless.txt

# Model files, once for all images.
FROM needs-worker AS weights
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
ARG WEIGHTS=none
ARG ACCEPT_LICENCE=no
ENV UGCLAB_CACHE_DIR=/models
RUN mkdir /models
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    if [ "$WEIGHTS" != none ]; then \
      pip install --no-cache-dir --no-deps --no-index /wheels/*.whl; \
      if [ "$ACCEPT_LICENCE" = yes ]; then set -- --accept-licence; else set --; fi; \
      printf '%s\n' "$WEIGHTS" | xargs python -m ugclab models pull "$@"; \
    fi

FROM base AS running
RUN useradd --uid 1000 --create-home --shell /usr/sbin/nologin ugclab && install --directory --owner 1000 /data /models
COPY LICENSE NOTICE /usr/share/doc/ugclab/
ENV UGCLAB_CACHE_DIR=/models \
    UGCLAB_DATA_DIR=/data \
    UGCLAB_HOST=0.0.0.0 \
    UGCLAB_LOG_JSON=1
WORKDIR /home/ugclab

FROM running AS worker
COPY --from=needs-worker /opt/venv /opt/venv
COPY --from=weights --chown=1000 /models /models
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-deps --no-index /wheels/*.whl \
    && python -m ugclab licences > /usr/share/doc/ugclab/LICENCES.md
USER 1000
ENV UGCLAB_MODE=worker
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["/bin/sh", "-c", "exec python -m ugclab health $UGCLAB_MODE"]
CMD ["python", "-m", "ugclab", "start"]

FROM running AS serverless
COPY --from=needs-serverless /opt/venv /opt/venv
COPY --from=weights --chown=1000 /models /models
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-deps --no-index /wheels/*.whl \
    && python -m ugclab licences > /usr/share/doc/ugclab/LICENCES.md
USER 1000
EXPOSE 7860
ENV UGCLAB_MODE=serverless
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s \
    CMD ["/bin/sh", "-c", "exec python -m ugclab health $UGCLAB_MODE"]
CMD ["python", "-m", "ugclab", "start"]

# The last one is what `docker build .` makes.
FROM running AS page
COPY --from=needs-page /opt/venv /opt/venv
COPY --from=weights --chown=1000 /models /models
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-deps --no-index /wheels/*.whl \
    && python -m ugclab licences > /usr/share/doc/ugclab/LICENCES.md
USER 1000
EXPOSE 7860
ENV UGCLAB_MODE=page \
    GRADIO_ANALYTICS_ENABLED=False
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["/bin/sh", "-c", "exec python -m ugclab health $UGCLAB_MODE"]
CMD ["python", "-m", "ugclab", "start"]
