#!/usr/bin/env bash
# Measures `crossfile generate` on 2,000 templates for 5 architectures, 10,000 files, in each dialect, and on one template
# with a matrix that makes the same files, side by side with a program that only writes them and with the classic script
# of `sed` commands.
#
#   benches/tree.sh [RUNS]
#
# Needs cargo and bash 5; no network once the dependencies are there. Works below TMPDIR. Every run of everything gets
# folders of its own, and all go at the end: ext4 takes up to 15 times as long to create files where as many were
# deleted a minute ago. So wait some minutes before the next run, and trust the ratios more than the times.
set -euo pipefail
export LC_ALL=C

readonly runs=${1:-5} templates=2000 scripted=100 dialects=(placeholder handlebars annotated)
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
mapfile -t arches < <(grep -o '"[^"]*"' "$here/tree/crossfile.toml" | tr -d '"')
readonly files=$((templates * ${#arches[@]}))

cargo build --quiet --release --bin crossfile --example bare_write
target=$(cargo metadata --offline --no-deps --format-version 1 | grep -o '"target_directory":"[^"]*"' | cut -d '"' -f 4)
readonly crossfile=$target/release/crossfile bare_write=$target/release/examples/bare_write

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# make_tree FOLDER DIALECT TEMPLATES: nothing is generated in it yet.
make_tree() {
    local numbers
    mapfile -t numbers < <(seq --format "$1/image-%04.0f" "$3")
    mkdir -p "${numbers[@]}"
    tee "${numbers[@]/%//Dockerfile.cross}" <"$here/tree/$2.cross" >/dev/null
    cp "$here/tree/crossfile.toml" "$1/"
}

# make_matrix FOLDER DIALECT: one template that makes what those of make_tree make.
make_matrix() {
    mkdir -p "$1"
    cp "$here/tree/$2.cross" "$1/Dockerfile.cross"
    {
        cat "$here/tree/crossfile.toml"
        printf 'output = "image-{{number}}/{{stem}}.{{arch}}"\n[matrix]\nnumber = [\n'
        seq --format '    "%04.0f",' "$templates"
        printf ']\n'
    } >"$1/crossfile.toml"
    # The folders are there for the templates too, before the time is taken.
    local numbers
    mapfile -t numbers < <(seq --format "$1/image-%04.0f" "$templates")
    mkdir "${numbers[@]}"
}

declare -A times=()

# timed NAME COMMAND...: notes the microseconds that the command takes.
timed() {
    local name=$1 start end
    shift
    sync
    start=${EPOCHREALTIME/./}
    "$@" >"$work/stdout" 2>"$work/stderr" || {
        cat "$work/stderr" >&2
        exit 1
    }
    end=${EPOCHREALTIME/./}
    times[$name]+=" $((end - start))"
}

# bare NAME FOLDER THREADS: notes the microseconds that it says itself, for its reading of the files is not writing.
bare() {
    sync
    times[$1]+=" $("$bare_write" "$work/list" "$work/model" "$2" "$3")"
}

# The classic script as it stands in many repositories: a copy, then one sed command for each name.
sed_script() {
    local arch file names template
    for template in "$1"/*/Dockerfile.cross; do
        for arch in "${arches[@]}"; do
            file=${template%.cross}.$arch
            # In the order of `schemes`.
            read -ra names <<<"${words[$arch]}"
            cp "$template" "$file"
            sed -i "s|__BASEIMAGE_ARCH__|${names[0]}|g" "$file"
            sed -i "s|__QEMU_ARCH__|${names[1]}|g" "$file"
            sed -i "s|__DEBIAN_ARCH__|${names[2]}|g" "$file"
            sed -i "s|__GNU_ARCH__|${names[3]}|g" "$file"
            sed -i "s|__MULTIARCH__|${names[4]}|g" "$file"
            sed -i "s|__ARCH__|$arch|g" "$file"
            if [[ $arch == amd64 ]]; then
                sed -i "/__CROSS_/d" "$file"
            else
                sed -i "s/__CROSS_//g" "$file"
            fi
        done
    done
}

readonly schemes=(namespace qemu debian gnu multiarch)
declare -A words=()
for arch in "${arches[@]}"; do
    for scheme in "${schemes[@]}"; do
        words[$arch]+="$("$crossfile" arch resolve --from arch --to "$scheme" "$arch") "
    done
done

# What everything is measured against is made by crossfile, and has to be what the script makes.
make_tree "$work/model" placeholder "$templates"
"$crossfile" generate --quiet "$work/model"
(cd "$work/model" && find . -name 'Dockerfile.*' ! -name '*.cross') >"$work/list"
make_tree "$work/same" placeholder 1
sed_script "$work/same"
for arch in "${arches[@]}"; do
    file=image-0001/Dockerfile.$arch
    cmp "$work/same/$file" <(grep -v '^# Generated from' "$work/model/$file")
done

# The other dialects, and a matrix, say the same.
for dialect in "${dialects[@]}"; do
    make_tree "$work/same-$dialect" "$dialect" 1
    "$crossfile" generate --quiet "$work/same-$dialect"
    make_matrix "$work/same-$dialect-matrix" "$dialect"
    "$crossfile" generate --quiet "$work/same-$dialect-matrix"
    for arch in "${arches[@]}"; do
        file=image-0001/Dockerfile.$arch
        cmp "$work/model/$file" "$work/same-$dialect/$file"
        cmp <(grep -v '^# Generated from' "$work/model/$file") \
            <(grep -v '^# Generated from' "$work/same-$dialect-matrix/$file")
    done
done

for ((run = 1; run <= runs; run++)); do
    for dialect in "${dialects[@]}"; do
        make_tree "$work/$run-$dialect" "$dialect" "$templates"
        make_matrix "$work/$run-$dialect-matrix" "$dialect"
    done
    for threads in 1 "$(nproc)"; do
        make_tree "$work/$run-bare-$threads" placeholder "$templates"
    done
    make_tree "$work/$run-sed" placeholder "$scripted"

    bare "bare 1" "$work/$run-bare-1" 1
    bare "bare all" "$work/$run-bare-$(nproc)" "$(nproc)"
    for dialect in "${dialects[@]}"; do
        for tree in "$dialect" "$dialect-matrix"; do
            timed "write $tree" "$crossfile" generate "$work/$run-$tree"
            timed "same $tree" "$crossfile" generate "$work/$run-$tree"
            timed "check $tree" "$crossfile" generate --check "$work/$run-$tree"
        done
    done
    timed "sed" sed_script "$work/$run-sed"
    echo "run $run of $runs done" >&2
done

# median NAME: in microseconds.
median() {
    tr ' ' '\n' <<<"${times[$1]# }" | sort -n | sed -n "$(((runs + 1) / 2))p"
}

# row TITLE MICROSECONDS: the time, and what it is to bare writes by as many threads as there are processors.
row() {
    printf '%-50s %7d.%03d s %9d.%02d\n' "$1" \
        $(($2 / 1000000)) $(($2 / 1000 % 1000)) $(($2 / unit)) $(($2 * 100 / unit % 100))
}

unit=$(median "bare all")
size=$(wc -c <"$work/model/image-0001/Dockerfile.arm64v8")
printf '%d files of %d bytes, %d processors, median of %d runs\n\n' "$files" "$size" "$(nproc)" "$runs"
printf '%-50s %13s %12s\n' '' time 'to writing'
row "bare writes, 1 thread" "$(median "bare 1")"
row "bare writes, $(nproc) threads" "$unit"
for dialect in "${dialects[@]}"; do
    row "crossfile generate, $dialect, nothing there" "$(median "write $dialect")"
    row "crossfile generate, $dialect, all right already" "$(median "same $dialect")"
    row "crossfile generate --check, $dialect" "$(median "check $dialect")"
    for what in write same check; do
        ratio=$(($(median "$what $dialect-matrix") * 100 / $(median "$what $dialect")))
        printf '    %-46s %24d %%\n' "$what by a matrix, to separate templates" "$ratio"
    done
done
row "sed script, scaled from $scripted templates" $(($(median sed) * templates / scripted))
