# escape=`
# Generated from b.Dockerfile.cross by crossfile. Do not edit; to make it again: crossfile generate
FROM alpine:3.22
RUN case "$(apk --print-arch)" in `
        x86_64) sha256=00;; `
        armhf) sha256=00;; `
        armv7) sha256=00;; `
        aarch64) sha256=ff;; `
        x86) sha256=00;; `
        s390x) sha256=00;; `
        *) echo >&2 "nothing for '$(apk --print-arch)' here"; exit 1;; `
    esac; `
    echo "$sha256"
