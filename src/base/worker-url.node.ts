/**
 * Where the compiled file of a worker lies, seen from the module that starts it.
 *
 * Workers cannot run TypeScript on Node 20, so tests that run from `src/` start the build in `dist/`.
 * `moduleUrl`: the caller's `import.meta.url`. `file`: the worker's file, relative to the caller, ending in ".js".
 */
export function workerUrl(moduleUrl: string, file: string): URL {
  const url = new URL(file, moduleUrl);
  return moduleUrl.endsWith(".ts") ? new URL(url.href.replace(/\/src\/(?!.*\/src\/)/, "/dist/")) : url;
}
