# The environment of requirements.lock and the code: docker build -t padding .
#   docker run --rm -v "$PWD/runs:/app/runs" padding make demo
#   docker run --rm --gpus all --shm-size=8g -v /data:/data -v "$PWD/runs:/app/runs" padding python main.py fit --config ...
# torch's wheels bring their CUDA libraries, so that the default base serves a GPU as well, with NVIDIA's container
# toolkit on the host. Where another base is wanted: --build-arg BASE=nvidia/cuda:13.0.1-base-ubuntu22.04.
ARG BASE=python:3.11-slim
FROM ${BASE}

ENV DEBIAN_FRONTEND=noninteractive PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN apt-get update \
    && apt-get install --yes --no-install-recommends make git \
    && (command -v python3.11 || apt-get install --yes --no-install-recommends python3.11 python3.11-venv) \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /app
# The environment first: it stays where only the code changes.
COPY Makefile requirements.lock ./
RUN make install
COPY . .

ENV PATH=/app/.venv/bin:$PATH
ENTRYPOINT []
CMD ["make", "help"]
