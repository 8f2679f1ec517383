/** The functions of a WebAssembly module, given as base64, over a memory that it imports. */
export function openModule<Functions>(module: string, memory: WebAssembly.Memory): Functions {
  const bytes = Uint8Array.from(atob(module), (character) => character.charCodeAt(0));
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  return exports as unknown as Functions;
}
