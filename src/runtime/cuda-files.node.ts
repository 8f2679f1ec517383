import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";

/** Why CUDA cannot be opened, and what to do about it. */
export interface CudaLack {
  readonly reason: string;
  readonly fix: string;
}

/** What the provider is linked to, by the beginning of a library's name, and who brings it. */
const bringers: readonly (readonly [prefix: string, bringer: (version: string) => string])[] = [
  ["libcuda.", () => "NVIDIA's driver"],
  ["libcudnn", (version) => `cuDNN ${version}`],
  ["libcu", (version) => `CUDA ${version}`],
];
/** Those that do not count their versions as CUDA does. */
const versions: Readonly<Record<string, string>> = { "libcurand.so.10": "12 or 13" };

const provider = "libonnxruntime_providers_cuda.so";

/**
 * What ONNX Runtime's CUDA files lack, which it does not tell itself: the files, or a library that they are linked to.
 * Undefined where nothing is missing.
 */
export function lackOfCuda(folder = nativeFolder()): CudaLack | undefined {
  const file = join(folder, provider);
  if (process.platform !== "linux" || process.arch !== "x64")
    return {
      reason: `onnxruntime-node has CUDA on Linux with x64 alone, not on ${process.platform} with ${process.arch}`,
      fix: "Choose --device webgpu or --device cpu.",
    };
  if (!existsSync(file))
    return {
      reason: "ONNX Runtime's CUDA files are not installed",
      fix: "Fetch them with `ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node`, beside CUDA and cuDNN 9, or choose --device cpu.",
    };
  const library = missingLibrary(file);
  if (library === undefined) return undefined;
  const version = versions[library] ?? /\.so\.(\d+)/.exec(library)?.[1] ?? "9";
  const bringer = bringers.find(([prefix]) => library.startsWith(prefix))?.[1](version);
  return {
    reason: `its files need ${library}, which the system does not find`,
    fix: `Install ${bringer ?? "it"}, or name the folder it lies in with LD_LIBRARY_PATH; or choose --device cpu.`,
  };
}

/** Asks the system's loader, which names the first library that it does not find. */
function missingLibrary(file: string): string | undefined {
  try {
    process.dlopen({ exports: {} }, file, constants.dlopen.RTLD_LAZY);
  } catch (error) {
    // What is not a Node addon ends in an error in any case.
    return /^(\S+): cannot open shared object file/.exec(String((error as Error).message))?.[1];
  }
  return undefined;
}

const nativeFolder = (): string =>
  join(
    dirname(createRequire(import.meta.url).resolve("onnxruntime-node/package.json")),
    "bin/napi-v6",
    process.platform,
    process.arch,
  );
