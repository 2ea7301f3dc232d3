# The server as an image. Stages: build and build-cuda (everything that compiles), cpu and cuda (what is served).
#
#   docker build --target cpu -t videodiffcr:0.1.0-cpu .
#   docker build --target cuda -t videodiffcr:0.1.0-cuda .     half an hour on 2 cores, and 2.4 GB of wheels
#
# BASE is any Debian 12 with apt. What runs is what the .deb holds, and its dependencies are what dpkg-shlibdeps found,
# so image and package cannot differ. docs/operating.md says how to run it and what it is made of.
# LANG is the language of the compiler's messages: a cache of the compiler's, where one is lent to the build, goes by it.
# checkov:skip=CKV_DOCKER_7:BASE has a version; checkov does not read ARG
ARG BASE=debian:12-slim

FROM ${BASE} AS build
WORKDIR /source
# Set-up alone first: it changes rarely, so that its layer, LibTorch with it, is built once.
COPY tools/setup.sh tools/debian_packages.txt tools/pypi_*.txt tools/
RUN tools/setup.sh --package
COPY . .
ARG LANG=C.UTF-8
RUN cmake --preset package && cmake --build --preset package \
    && cd build/package && cpack && mkdir -p /packages && mv *.deb /packages/

# CUDA's compiler and libraries are those of the wheels that LibTorch names. The compiler stays here.
FROM ${BASE} AS build-cuda
WORKDIR /source
COPY tools/setup.sh tools/debian_packages.txt tools/pypi_*.txt tools/
RUN tools/setup.sh --package --cuda-wheels
COPY . .
ARG LANG=C.UTF-8
ENV CUDACXX=/root/.cache/videodiffcr/libtorch-2.11.0/nvidia/cu13/bin/nvcc
RUN cmake --preset package-cuda && cmake --build --preset package-cuda \
    && cd build/package-cuda && cpack && mkdir -p /packages && mv *.deb /packages/

# What both images are, but for the package in it.
FROM ${BASE} AS served
# Slim images keep documents out of packages. Ours are the licences of what is inside.
RUN echo 'path-include=/usr/share/doc/videodiffcr/*' > /etc/dpkg/dpkg.cfg.d/videodiffcr
LABEL org.opencontainers.image.title="VideoDiffCR Server" \
      org.opencontainers.image.documentation="/usr/share/doc/videodiffcr/operating.md"
WORKDIR /
# Calls, Prometheus, health and reflection. In a container the network decides who reaches them.
EXPOSE 50051 9464 50052
STOPSIGNAL SIGTERM
ENTRYPOINT ["videodiffcr-server"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 CMD ["videodiffcr", "health", "--server", "localhost:50052"]

# Users by number, so that a platform that wants to see a non-root user sees one.
FROM served AS cuda
LABEL org.opencontainers.image.description="Streams text-to-video over gRPC; model on a Hopper GPU"
# What NVIDIA's container runtime brings in from the machine: the driver's libraries, and nvidia-smi.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
RUN --mount=type=bind,from=build-cuda,source=/packages,target=/packages \
    apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends /packages/*.deb \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/* /var/log/*
USER 64000:64000
CMD ["--model-folder=/usr/share/videodiffcr/models/tiny", "--device=cuda", "--listen=[::]:50051", "--metrics-listen=[::]:9464", "--admin-listen=[::]:50052"]

FROM served AS cpu
LABEL org.opencontainers.image.description="Streams text-to-video over gRPC; model on the CPU"
RUN --mount=type=bind,from=build,source=/packages,target=/packages \
    apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends /packages/*.deb \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/* /var/log/*
USER 64000:64000
CMD ["--model-folder=/usr/share/videodiffcr/models/tiny", "--listen=[::]:50051", "--metrics-listen=[::]:9464", "--admin-listen=[::]:50052"]
