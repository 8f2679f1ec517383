#!/usr/bin/env bash
# Regenerates src/formats/onnx/onnx.generated.ts from ONNX's schema: tools/onnx-schema.sh path/to/onnx-ml.proto
# (the file is part of the Python package "onnx"; version 1.23 was used).
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$1" "$work/onnx.proto"
cd "$work"
printf 'version: v2\n' > buf.yaml
printf 'version: v2\nplugins:\n  - local: %s\n    out: out\n    opt: [target=ts]\n' "$root/node_modules/.bin/protoc-gen-es" > buf.gen.yaml
"$root/node_modules/.bin/buf" generate
{
  echo "// Generated from ONNX's onnx-ml.proto (Apache-2.0) by tools/onnx-schema.sh; do not edit."
  echo "// @ts-nocheck"
  cat out/onnx_pb.ts
} > "$root/src/formats/onnx/onnx.generated.ts"
