#!/usr/bin/env bash
# Measures the client for registries on real ones, behind a proxy that adds 25 ms each way, and as a net does 50 ms to the
# making of a connection: an index of seven entries from seven repositories, side by side with `docker buildx imagetools
# create` and `docker manifest`; `inspect` and `bases` of many references against one; `verify` of a layer of 1 GiB against
# `gzip -dc`, with the memory that it takes.
#
#   benches/registry.sh [RUNS [REFERENCES [MEBIBYTES]]]
#
# Needs cargo, bash 5 and skopeo, and the engines of `tests/engines/provision`: where CROSSFILE_ENGINES names none it starts
# some, as root on Debian 12, and ends them. Works below TMPDIR, where it needs twice the layer. Times are printed and
# never judged; what was made is read back by others and has to be right. CONNECTING=0 has connections made at once, and
# PROFILE=dev measures nothing, but shows that the script runs.
set -euo pipefail
export LC_ALL=C

readonly runs=${1:-5} many=${2:-100} mebibytes=${3:-1024} delay=25 connecting=${CONNECTING:-50} profile=${PROFILE:-release}
readonly arches=(amd64 i386 arm32v6 arm32v7 arm64v8 ppc64le s390x)
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."

cargo build --quiet --profile "$profile" --bin crossfile --example latency_proxy
target=$(cargo metadata --offline --no-deps --format-version 1 | grep -o '"target_directory":"[^"]*"' | cut -d '"' -f 4)
folder=$target/${profile/#dev/debug}
readonly crossfile=$folder/crossfile latency_proxy=$folder/examples/latency_proxy

work=$(mktemp -d)
engines=
finish() {
    if [[ -n ${proxy_PID-} ]]; then
        kill "$proxy_PID" 2>/dev/null || true
    fi
    if [[ -n $engines ]]; then
        tests/engines/stop "$engines" && rm -rf --one-file-system "$engines"
    fi
    rm -rf "$work"
}
trap finish EXIT

if [[ -z ${CROSSFILE_ENGINES-} ]]; then
    # A short path: sockets lie below it.
    engines=$(mktemp -d /tmp/cf-bench-XXXXXX)
    tests/engines/provision "$engines" >&2
    # shellcheck source=/dev/null
    . "$engines/env"
fi
readonly registry=$CROSSFILE_REGISTRY
# Nothing here is for the registries of others.
[[ $registry == 127.0.0.1:* ]]
# Names that no run before had.
readonly own=bench/$$-${EPOCHREALTIME/./}

coproc proxy { exec "$latency_proxy" "$registry" "$delay" "$connecting"; }
read -r -u "${proxy[0]}" host
readonly host

die() {
    printf 'registry.sh: %s\n' "$1" >&2
    exit 1
}

docker20() {
    DOCKER_HOST=$CROSSFILE_DOCKER20 "$CROSSFILE_DOCKER20_CLI" "$@"
}

declare -A times=() requests=() trips=()

# forget: what the proxy counted so far is not asked for.
forget() {
    echo >&"${proxy[1]}"
    read -r -u "${proxy[0]}" _
}

# timed NAME COMMAND...: notes the microseconds that the command takes, its requests and their round trips in sequence.
timed() {
    local name=$1 start end counted
    shift
    forget
    start=${EPOCHREALTIME/./}
    "$@" >"$work/stdout" 2>"$work/stderr" || {
        cat "$work/stdout" "$work/stderr" >&2
        die "$name failed"
    }
    end=${EPOCHREALTIME/./}
    times[$name]+=" $((end - start))"
    echo >&"${proxy[1]}"
    read -r -u "${proxy[0]}" -a counted
    requests[$name]=${counted[0]} trips[$name]=${counted[1]}
}

# median NAME: in microseconds.
median() {
    tr ' ' '\n' <<<"${times[$1]# }" | sort -n | sed -n "$(((runs + 1) / 2))p"
}

# row TITLE NAME UNIT: the time, what it is to another one's, requests and round trips in sequence.
row() {
    local time unit
    time=$(median "$2") unit=$(median "$3")
    printf '%-44s %4d.%03d s %6d.%02d %9d %11d\n' "$1" $((time / 1000000)) $((time / 1000 % 1000)) \
        $((time / unit)) $((time * 100 / unit % 100)) "${requests[$2]}" "${trips[$2]}"
}

# digests REFERENCE: of the entries of an index, asked of the registry itself.
digests() {
    skopeo inspect --raw --tls-verify=false "docker://$registry/$1" >"$work/raw"
    grep -o '"digest": *"sha256:[0-9a-f]*"' "$work/raw" | grep -o 'sha256:[0-9a-f]*' | sort
}

# Images that docker itself has pushed: `docker manifest` writes them anew and fails on those of other writers.
sources=()
: >"$work/right"
for arch in "${arches[@]}"; do
    docker20 pull --quiet "$registry/$arch/busybox:1" >/dev/null
    docker20 tag "$registry/$arch/busybox:1" "$registry/$own/$arch/busybox:1"
    docker20 push --quiet "$registry/$own/$arch/busybox:1" >/dev/null
    docker20 rmi "$registry/$own/$arch/busybox:1" >/dev/null
    skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$registry/$own/$arch/busybox:1" >>"$work/right"
    sources+=("$host/$own/$arch/busybox:1")
done
sort -o "$work/right" "$work/right"

docker_manifest() {
    local at words
    docker20 manifest create --insecure "$1" "${sources[@]}"
    for at in "${!arches[@]}"; do
        read -ra words <<<"$("$crossfile" arch resolve --from arch --to annotate "${arches[at]}")"
        docker20 manifest annotate "${words[@]}" "$1" "${sources[at]}"
    done
    docker20 manifest push --insecure "$1"
}

imagetools() {
    DOCKER_HOST=$CROSSFILE_DOCKER26 DOCKER_CONFIG=$CROSSFILE_DOCKER26_CONFIG "$CROSSFILE_DOCKER26_CLI" \
        buildx imagetools create --tag "$1" "${sources[@]}"
}

# Below the folder of a project its settings would count.
mkdir "$work/empty"
for ((run = 1; run <= runs; run++)); do
    for tool in crossfile imagetools docker; do
        index=$own/$tool-$run:1
        case $tool in
        crossfile)
            cd "$work/empty"
            timed crossfile "$crossfile" manifest --tag "$host/$index" "${sources[@]}"
            cd "$here/.."
            ;;
        imagetools) timed imagetools imagetools "$host/$index" ;;
        docker)
            export DOCKER_CONFIG=$work/config-$run
            mkdir "$DOCKER_CONFIG"
            timed docker docker_manifest "$host/$index"
            unset DOCKER_CONFIG
            ;;
        esac
        digests "$index" >"$work/found"
        cmp "$work/right" "$work/found" || die "$index is not the index that was asked for"
    done
    echo "run $run of $runs done" >&2
done

# Each in a repository of its own, and none the same as another.
references=()
cd "$work/empty"
for ((at = 1; at <= many; at++)); do
    "$crossfile" manifest --quiet --tag "$registry/$own/many/$at:1" --annotation "number=$at" \
        "$registry/$own/amd64/busybox:1" >/dev/null
    references+=("$host/$own/many/$at:1")
done
for ((run = 1; run <= runs; run++)); do
    timed one "$crossfile" inspect "${references[0]}"
    # What the registry and these processors need for it without a net between them.
    timed near "$crossfile" inspect "${references[@]/#"$host"/"$registry"}"
    timed many "$crossfile" inspect "${references[@]}"
done
(($(grep -c '^linux/amd64 ' "$work/stdout") == many)) || die 'inspect does not show all images'

has_bases=
if "$crossfile" bases --help >/dev/null 2>&1; then
    has_bases=1
    for folder in one many; do
        mkdir "$work/$folder"
        echo 'arches = ["amd64"]' >"$work/$folder/crossfile.toml"
    done
    for ((at = 1; at <= many; at++)); do
        mkdir "$work/many/$at"
        printf 'FROM %s\nLABEL arch=__ARCH__\n' "${references[at - 1]}" >"$work/many/$at/Dockerfile.cross"
    done
    mv "$work/many/1" "$work/one/"
    mkdir "$work/many/1"
    cp "$work/one/1/Dockerfile.cross" "$work/many/1/"
    for ((run = 1; run <= runs; run++)); do
        for folder in one many; do
            cd "$work/$folder"
            timed "bases $folder" "$crossfile" bases
        done
    done
fi
cd "$here/.."

# A layer of programs for the image's platform, in a layout that is made by hand.
readonly layout=$work/layout
blobs=$layout/blobs/sha256
mkdir -p "$blobs" "$work/root/opt"
size=0
for ((at = 1; size < mebibytes; at++)); do
    for program in /usr/bin/docker /usr/sbin/dockerd /usr/bin/containerd; do
        if [[ ! -x $program ]] || ((size >= mebibytes)); then
            continue
        fi
        cp "$program" "$work/root/opt/${program##*/}-$at"
        size=$(du -sm --apparent-size "$work/root" | cut -f 1)
    done
    ((size > 1)) || die 'there are no large programs to fill a layer with'
done

# store FILE: among the blobs; prints digest and size as a descriptor has them.
store() {
    local sum
    sum=$(sha256sum <"$1")
    sum=${sum%% *}
    printf '"digest": "sha256:%s", "size": %d' "$sum" "$(stat --format %s "$1")"
    mv "$1" "$blobs/$sum"
}

tar -C "$work/root" --create --file "$work/layer.tar" opt
rm -rf "$work/root"
content=$(stat --format %s "$work/layer.tar")
sum=$(sha256sum <"$work/layer.tar")
gzip -6 --keep --stdout "$work/layer.tar" >"$work/layer.gz"
rm "$work/layer.tar"
cat >"$work/config" <<END
{"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ["sha256:${sum%% *}"]}}
END
layer=$(store "$work/layer.gz")
config=$(store "$work/config")
cat >"$work/manifest" <<END
{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
 "config": {"mediaType": "application/vnd.oci.image.config.v1+json", $config},
 "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", $layer}]}
END
manifest=$(store "$work/manifest")
cat >"$layout/index.json" <<END
{"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", $manifest,
 "annotations": {"org.opencontainers.image.ref.name": "1"}}]}
END
echo '{"imageLayoutVersion": "1.0.0"}' >"$layout/oci-layout"
packed=$(grep -o 'sha256:[0-9a-f]*' <<<"$layer")
readonly packed=$blobs/${packed#sha256:}

# peak COMMAND...: the most memory that it had, in kibibytes. The kernel keeps count, so that looking now and then will do.
peak() {
    local pid most line
    "$@" >"$work/stdout" 2>"$work/stderr" &
    pid=$!
    while line=$(grep VmHWM "/proc/$pid/status" 2>/dev/null); do
        line=${line//[!0-9]/}
        most=$line
        sleep 0.01
    done
    wait "$pid" || {
        cat "$work/stdout" "$work/stderr" >&2
        die "verify failed"
    }
    printf '%s\n' "$most"
}

# The layer in a registry, too: reading it over the net is part of it. Not in docker-registry, which in memory copies all that
# it has of a blob for each piece that comes.
large=
if [[ -n ${CROSSFILE_OTHER-} ]]; then
    large=$CROSSFILE_OTHER/$own/large:1
    "$crossfile" manifest --quiet --tag "$large" "oci:$layout:1" >/dev/null
fi
most=0
for ((run = 1; run <= runs && run <= 3; run++)); do
    timed gzip gzip -dc "$packed"
    timed sha256sum sha256sum "$packed"
    timed "verify layout" "$crossfile" verify "oci:$layout:1"
    grep -q 'programs\? looked at' "$work/stdout" || die 'verify has not read the layer'
    [[ -z $large ]] || timed "verify registry" "$crossfile" verify "$large"
    now=$(peak "$crossfile" verify "${large:-oci:$layout:1}")
    most=$((now > most ? now : most))
done

printf '%d ms each way, %d ms to connect, %d processors, median of %d runs\n\n' "$delay" "$connecting" "$(nproc)" "$runs"
printf '%-44s %10s %9s %9s %11s\n' '' time ratio requests 'round trips'
row 'crossfile manifest, 7 repositories' crossfile crossfile
row 'docker buildx imagetools create' imagetools crossfile
row 'docker manifest create, annotate, push' docker crossfile
row 'crossfile inspect, 1 index' one one
row "crossfile inspect, $many indexes" many one
row "the same $many without the proxy" near one
if [[ -n $has_bases ]]; then
    row 'crossfile bases, 1 reference' 'bases one' 'bases one'
    row "crossfile bases, $many references" 'bases many' 'bases one'
fi
runs_of_layer=$((runs < 3 ? runs : 3))
printf '\na layer of %d MiB, %d MiB packed, median of %d runs\n\n' $((content >> 20)) \
    $(($(stat --format %s "$packed") >> 20)) "$runs_of_layer"
runs_median() {
    tr ' ' '\n' <<<"${times[$1]# }" | sort -n | sed -n "$(((runs_of_layer + 1) / 2))p"
}
for name in gzip sha256sum 'verify layout' ${large:+'verify registry'}; do
    own_time=$(runs_median "$name") unit=$(runs_median gzip)
    printf '%-44s %4d.%03d s %6d.%02d\n' "$name" $((own_time / 1000000)) $((own_time / 1000 % 1000)) \
        $((own_time / unit)) $((own_time * 100 / unit % 100))
done
printf '%-44s %4d.%d MiB\n' 'peak memory of verify' $((most / 1024)) $((most % 1024 * 10 / 1024))
